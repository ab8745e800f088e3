import { describe, expect, it } from 'vitest';
import { byKeyAlone, variablesOf } from '../../src/locations/request/check.ts';
import { ACCOUNT, problemsOf, readAsks } from '../support/request-template.ts';

const BASE = { method: 'DELETE', url: 'https://a.example/users/{account}', done: 200 };
const of = (over: object = {}) => JSON.stringify({ ...BASE, ...over });

describe('a request of the catalog', () => {
  it('has nothing wrong with it', () => {
    expect(problemsOf(of())).toEqual([]);
    const stripe = of({
      url: 'https://api.stripe.com/v1/customers/{customer}',
      headers: { Authorization: 'Bearer {env:STRIPE_KEY}', 'Idempotency-Key': '{id}' },
      done: [200, { status: 404, where: { 'error.code': 'resource_missing' } }],
      skip: 'when customer is null',
    });
    expect(problemsOf(stripe, { select: { customer: 'users.stripe_customer_id' } })).toEqual([]);
  });

  it.each<[string, object, string]>([
    [
      'an unknown name',
      { url: 'https://a.example/{acount}' },
      'url: unknown name {acount}; known are {account}, {id}, {requestedAt}, {env:NAME}',
    ],
    [
      'an unknown filter',
      { url: 'https://a.example/{account|sha512}' },
      'url: {account|sha512}: unknown filter sha512; known are lower, upper, trim, md5, sha1, sha256, base64, base64url, urlencode',
    ],
    [
      'a variable in the host',
      { url: 'https://{env:TENANT}.auth0.com/{account}' },
      'url: the host stands in the catalog as it is: no value and no variable may be part of it',
    ],
    [
      'a value in the host',
      { url: 'https://{account}.a.example/{account}' },
      'url: the host stands in the catalog as it is: no value and no variable may be part of it',
    ],
    [
      'a value in the port',
      { url: 'https://a.example:{account}/{account}' },
      'url: the host stands in the catalog as it is: no value and no variable may be part of it',
    ],
    [
      'a user in the URL',
      { url: 'https://key:secret@a.example/{account}' },
      'url: leave out the user in front of the host: write basic: { user, password }',
    ],
    [
      "Lethe's own secret",
      { headers: { A: '{env:LETHE_SECRET}' } },
      "headers.A: {env:LETHE_SECRET} is Lethe's own, and nobody else is told it: name a variable of the service's",
    ],
    [
      'no https',
      { url: 'http://a.example/{account}' },
      'url: expected https://: without it a value, and the credential, can be read on the way',
    ],
    ['another scheme', { url: 'file:///etc/{account}' }, 'url: expected a URL that begins with https:// and a host'],
    ['no URL', { url: '{account}' }, 'url: expected a URL such as https://api.example.com/users/{account}'],
    [
      'a scheme by a template',
      { url: '{env:BASE}/users/{account}' },
      'url: expected a URL such as https://api.example.com/users/{account}',
    ],
    ['a fragment', { url: 'https://a.example/{account}#x' }, 'url: what follows # is never sent: leave it out'],
    ['dots', { url: 'https://a.example/x/../{account}' }, 'url: has a segment of dots: write the path that is meant'],
    [
      'encoded dots',
      { url: 'https://a.example/x/%2E./{account}' },
      'url: has a segment of dots: write the path that is meant',
    ],
    [
      'a space',
      { url: 'https://a.example/x y/{account}' },
      'url: has a character that no URL has as it is: write it percent-encoded',
    ],
    [
      'a backslash',
      { url: 'https://a.example/x\\y/{account}' },
      'url: has a character that no URL has as it is: write it percent-encoded',
    ],
    [
      'a host that is looked up as another',
      { url: 'https://ä.example/{account}' },
      'url: write the host as it is looked up: xn--4ca.example',
    ],
    [
      'encoding twice',
      { url: 'https://a.example/{account|urlencode}' },
      'url: {account|urlencode}: a value in a URL is percent-encoded anyway: leave out |urlencode',
    ],
    [
      '{key} without each',
      { url: 'https://a.example/{key}' },
      'url: {key} needs each: a column of a location, whose rows the request is about',
    ],
    [
      'another column',
      { url: 'https://a.example/{account.email}' },
      "url: {account.email}: the account's key is id: other columns are named by select:",
    ],
    [
      'nobody',
      { url: 'https://a.example/all' },
      'the request names nobody: put {account}, or a name of select:, into its url or body',
    ],
    [
      'an answer outside follow',
      { url: 'https://a.example/{account}/{answer.id}' },
      'url: {answer.id}: what an answer said stands in follow: alone, as {answer.place.in.its.json}',
    ],
    [
      'a raw value in a header',
      { headers: { 'X-User': '{account}' } },
      'headers.X-User: {account} may hold what no header can: write {account|urlencode}',
    ],
    ['a name that no header has', { headers: { 'X User': 'a' } }, 'headers.X User: no header has such a name'],
    ['a line break in a header', { headers: { X: 'a\r\nY: b' } }, 'headers.X: has a character that no header can have'],
    [
      'a header of the connection',
      { headers: { Host: 'b.example' } },
      'headers.Host: this header is written for you: leave it out',
    ],
    ['a header twice', { headers: { 'X-A': '1', 'x-a': '2' } }, 'headers.x-a: stands there twice'],
    [
      'two credentials',
      { basic: { user: 'a', password: '{env:B}' }, headers: { authorization: 'Bearer {env:B}' } },
      'headers.authorization: basic: writes it already: leave out one of them',
    ],
    [
      'a body and a form',
      { body: { a: 1 }, form: { a: '1' } },
      'body and form are two ways to say the same: leave out one of them',
    ],
    ['a body of a GET', { method: 'GET', body: { a: 1 } }, 'a GET has no body: name another method'],
    [
      'a template as a key',
      { body: { '{account}': 1 } },
      'body: the key {account} is sent as it is: a template stands in a value',
    ],
    [
      'a lonely brace',
      { body: { query: 'mutation { x' } },
      'body.query: { stands alone: a brace that is meant is written twice: {{',
    ],
    [
      'keysAtOnce without {keys}',
      { keysAtOnce: 10 },
      'keysAtOnce counts what {keys} names, and the request has no {keys}',
    ],
    [
      'a refused credential as success',
      { done: [200, 401] },
      'done: 401 never says that data is gone: name statuses of the 200s, or 404 and its like',
    ],
    [
      'a redirect as success',
      { done: 302 },
      'done: 302 never says that data is gone: name statuses of the 200s, or 404 and its like',
    ],
    [
      'an outage as success',
      { done: [{ status: 503 }] },
      'done: 503 never says that data is gone: name statuses of the 200s, or 404 and its like',
    ],
    [
      'an unknown name in an answer',
      { done: { status: 200, where: { id: '{x}' } } },
      'done: where: id: unknown name {x}; known are {account}, {id}, {requestedAt}, {env:NAME}',
    ],
    [
      'a condition about nothing',
      { skip: 'when customer is null' },
      'skip: when customer is null: customer is no name of select:',
    ],
  ])('is refused with %s', (_what, over, words) => {
    expect(problemsOf(of(over))).toContain(words);
  });

  it.each<[string, Parameters<typeof problemsOf>[1], object, string]>([
    [
      'a name that templates have',
      { select: { key: 'users.key' } },
      {},
      'select.key: the templates have that name themselves: give it another',
    ],
    [
      'a column that nothing names',
      { select: { email: 'users.email' } },
      {},
      'select.email is named nowhere in the request: leave it out, since it would be kept for nothing',
    ],
    [
      'no key, though it is told of rows',
      { each: 'media.key' },
      {},
      'with each: a request is about a key: put {key} into its url or body',
    ],
    [
      'keys in the URL',
      { each: 'media.key' },
      { url: 'https://a.example/{keys}' },
      'url: {keys} is a list: it stands in body: as a text of its own',
    ],
    [
      'keys within a text',
      { each: 'media.key' },
      { body: { k: 'all {keys}' } },
      'body.k: {keys} is a list: it stands in body: as a text of its own',
    ],
    [
      'one key beside many',
      { each: 'media.key' },
      { url: 'https://a.example/{key}', method: 'POST', body: { k: '{keys}' } },
      'url: {key}: with {keys} a request is about many',
    ],
  ])('is refused with %s', (_what, entry, over, words) => {
    expect(problemsOf(of(over), entry)).toContain(words);
  });

  it('says what then where a column may be null', () => {
    const entry = { select: { customer: 'users.customer' } };
    const account = { ...ACCOUNT, nullable: (column: string) => column === 'customer' };
    const over = { url: 'https://a.example/{customer}' };
    expect(problemsOf(of(over), entry, account)).toEqual([
      'select.customer may be null: say what then, such as skip: when customer is null',
    ]);
    expect(problemsOf(of({ ...over, skip: 'when customer is null' }), entry, account)).toEqual([]);
  });

  it.each([
    'http://localhost:1/{account}',
    'http://search:80/{account}',
    'http://10.1.2.3/{account}',
    'http://a.internal/{account}',
  ])('needs no https within a network: %s', (url) => expect(problemsOf(of({ url }))).toEqual([]));

  it('is told in one line each', () => {
    const all = problemsOf(of({ url: 'http://{x}@a b/{y|z}', headers: { 'a b': '\n' }, done: [200, 500] }));
    expect(all.length).toBeGreaterThan(3);
    for (const words of all) expect(words).toMatch(/^[\x20-\x7e]{10,200}$/);
  });

  it('has no shape that is not told', () => {
    const wrong = (over: object) => () => readAsks(of(over));
    expect(wrong({ done: undefined })).toThrow('say which answers mean that it is gone: done: [200, 404]');
    expect(wrong({ skip: 'if customer is null' })).toThrow('expected a condition such as: when customer is null');
    expect(wrong({ method: 'delete' })).toThrow('expected one of GET, POST, PUT, PATCH, DELETE, in capital letters');
    expect(wrong({ body: '{"a":1}' })).toThrow('expected keys with values, which are sent as JSON');
  });
});

describe('whom a request finds', () => {
  const found = (over: object, entry = {}) => byKeyAlone(readAsks(of(over)), entry, ACCOUNT);

  it.each<[boolean, object, object]>([
    [true, {}, {}],
    [true, { url: 'https://a.example/x', method: 'POST', body: { id: '{account.id}' } }, {}],
    [true, { url: 'https://a.example/x', headers: { 'X-User': '{account|sha256}' } }, {}],
    [true, { url: 'https://a.example/{user}' }, { select: { user: 'users.id' } }],
    [true, { url: 'https://a.example/{list}/{account}' }, { select: { list: 'users.list' } }],
    [false, { url: 'https://a.example/{customer}' }, { select: { customer: 'users.customer' } }],
    [false, { url: 'https://a.example/{account}/{key}' }, { each: 'media.key' }],
    [false, { url: 'https://a.example/{account}?before={requestedAt}' }, {}],
    [
      false,
      { url: 'https://a.example/{customer}', headers: { 'X-User': '{account|sha256}' } },
      { select: { customer: 'users.customer' } },
    ],
  ])('by the account alone: %s, %j, %j', (alone, over, entry) => {
    expect(found(over, entry)).toBe(alone);
  });

  it('and which variables it needs, each once', () => {
    const asks = readAsks(of({ headers: { A: '{env:ONE} {env:TWO}', B: '{env:ONE}' } }));
    expect(variablesOf(asks)).toEqual(['ONE', 'TWO']);
  });
});
