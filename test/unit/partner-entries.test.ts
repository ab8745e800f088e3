import { describe, expect, it } from 'vitest';
import { findSecrets } from '../../src/catalog/find-secrets.ts';
import { parseCatalog } from '../../src/catalog/load.ts';
import { mergeDeclarations } from '../../src/catalog/merge.ts';
import { orderPartners } from '../../src/catalog/order-partners.ts';
import { UsageError } from '../../src/errors.ts';
import type { AskedLocation } from '../../src/locations/asked.ts';

const POSTS = '{ table: posts, account: account_id, owner: reader }';
const HTTP = '{ url: "https://search.example", secret: "env:SEARCH_SECRET" }';
const text = (...locations: string[]) =>
  `account: { table: accounts, key: id }\nlocations:\n${locations.map((l) => `  - ${l}\n`).join('')}`;
const parse = (...locations: string[]) => parseCatalog(text(...locations), 'cat');
/** An entry of kind http with these keys besides. */
const partner = (name: string, more = '', http = HTTP) =>
  `{ partner: ${name}, owner: team, http: ${http}${more && `, ${more}`} }`;

function problemsOf(...locations: string[]): readonly string[] {
  try {
    parse(...locations);
  } catch (error) {
    if (error instanceof UsageError) return error.problems;
    throw error;
  }
  throw new Error('the catalog was accepted');
}

describe('a catalog with partners', () => {
  it('is read, and names need no order in the file', () => {
    const { locations } = parse(
      partner('files', 'each: posts.file_key, after: [search, posts], data: files'),
      partner('search', 'select: { mail: accounts.email, plan: public.accounts.plan }, sla: 72h'),
      POSTS,
    );
    expect(locations).toMatchObject([
      { partner: 'files', each: 'posts.file_key', after: ['search', 'posts'], data: 'files' },
      { partner: 'search', select: { mail: 'accounts.email' }, sla: 259_200_000, action: 'delete' },
      { table: 'posts' },
    ]);
  });

  it('may have no table besides that of the accounts, and two partners at one address', () => {
    expect(parse(partner('search'), partner('billing')).locations.length).toBe(2);
  });

  it.each<[string, string[], string[]]>([
    [
      'a partner that is asked in no way',
      ['{ partner: search, owner: team }'],
      ['cat: locations.0: search: say how partner search is asked: http:, request:, event: or s3:'],
    ],
    [
      'a misspelt way',
      [`{ partner: search, owner: team, htpp: ${HTTP} }`],
      ['cat: locations.0: search: unknown key htpp: http?'],
    ],
    [
      'two ways',
      [partner('search', 'event: {}')],
      ['cat: locations.0: search: has both http and event: an entry is one place, so give each an entry of its own'],
    ],
    [
      'a partner without a name',
      [`{ owner: team, http: ${HTTP} }`],
      ['cat: locations.0.partner: say what the partner is called: partner: search'],
    ],
    [
      'a name in the place of partner',
      [`{ name: search, owner: team, http: ${HTTP} }`],
      ["cat: locations.0.partner: a partner's name stands under partner: write partner: search in the place of name"],
    ],
    [
      'a partner twice, however it is asked',
      [partner('search'), '{ partner: search, owner: team, event: {} }'],
      ['cat: locations.1: partner search is listed twice, first at locations.0'],
    ],
    [
      'the name of a table, and that of the account',
      [POSTS, partner('posts'), partner('accounts')],
      [
        'cat: locations.1: name posts is listed twice, first at locations.0',
        "cat: locations.2: the name accounts is the account's own: give the partner another",
      ],
    ],
    [
      'another outcome, and a deletion by the request',
      [partner('search', 'action: keep, at: request')],
      [
        'cat: locations.0.action: search: a partner is told to delete: what else becomes of its data is its own affair',
        'cat: locations.0: search: unknown key at; known are partner, select, each, after, before, http, owner, action, sla, data',
      ],
    ],
    [
      'columns of another table than the account’s',
      [POSTS, partner('search', 'select: { a: posts.id, b: post.id, c: accounts }')],
      [
        'cat: locations.1.select.c: search: expected location.column, such as media.file_key',
        'cat: locations.1: search: select.a: posts has many rows of an account: each: posts.id tells the partner of each of them',
        "cat: locations.1: search: select.b: post is not the account's table, which is accounts",
      ],
    ],
    [
      'rows of what is no table',
      [
        POSTS,
        partner('a', 'each: post.id'),
        partner('b', 'each: a.id'),
        partner('c', 'each: public.accounts.id'),
        partner('d', 'each: stories.id'),
      ],
      [
        'cat: locations.1: a: each: there is no table post under locations: did you mean posts?',
        'cat: locations.2: b: each: a is a partner, whose data has no rows here: name a table',
        'cat: locations.3: c: each: public.accounts has one row of an account: select: { name: public.accounts.id } tells the partner of it',
        'cat: locations.4: d: each: there is no table stories under locations',
      ],
    ],
    [
      'an order with what is not there, and with itself',
      [POSTS, partner('search', 'after: [search, serch], before: pots')],
      [
        'cat: locations.1: search: after: search is the partner itself',
        'cat: locations.1: search: after: there is no location serch; there are accounts, posts',
        'cat: locations.1: search: before: there is no location pots: did you mean posts?',
      ],
    ],
    [
      'a circle',
      [partner('a', 'after: b'), partner('b', 'after: c'), partner('c', 'before: d'), partner('d', 'before: [c, a]')],
      ['cat: locations: partners wait for one another in a circle: c waits for d waits for c'],
    ],
    [
      'keys of rows before any row goes, also where another partner waits for it that comes so early',
      [
        POSTS,
        partner('a', 'each: posts.id, before: posts'),
        partner('b', 'each: posts.id, before: c'),
        partner('c', 'before: accounts'),
      ],
      [
        'cat: locations.1: a: each: posts.id is known only when the rows go, and posts waits for the partner before any row goes: leave out before',
        'cat: locations.2: b: each: posts.id is known only when the rows go, and accounts waits for the partner before any row goes: leave out before',
      ],
    ],
    [
      'an order that contradicts itself',
      [POSTS, partner('a', 'before: accounts, after: posts')],
      ['cat: locations.1: a: after: posts is erased later than the partner is asked, since accounts waits for it'],
    ],
  ])('refuses %s', (_, locations, problems) => {
    expect([...problemsOf(...locations)].sort()).toEqual([...problems].sort());
  });

  it('keeps the words of a table for an entry that has a column of the account', () => {
    expect(problemsOf('{ account: account_id, owner: reader }')).toEqual([
      'cat: locations.0.table: say which table it is: table: orders',
    ]);
  });
});

describe('a secret that is written out', () => {
  const WORDS = /: search: a secret does not stand in the catalog, .* with env:$/;

  it('is refused with its place, and is not repeated', () => {
    const problems = problemsOf(
      partner('search', '', '{ url: "https://me:hunter2@search.example", secret: "hunter2" }'),
      '{ partner: search2, owner: team, request: { method: DELETE, url: "https://x.example/{account}", done: 200, headers: { Authorization: "Bearer hunter2hunter2" } } }',
    );
    expect(problems.map((words) => words.split(': ')[1])).toEqual([
      'locations.0.http.url',
      'locations.0.http.secret',
      'locations.1.request.headers.Authorization',
    ]);
    expect(problems[0]).toMatch(WORDS);
    expect(problems.join()).not.toContain('hunter2');
  });

  it.each<[string, unknown]>([
    ['a key of Stripe', { headers: { 'x-anything': 'sk_live_0123456789abcdef' } }],
    ['a key of AWS', { region: 'AKIAIOSFODNN7EXAMPLE' }],
    ['a header that names a token', { headers: { 'X-Api-Key': '0123' } }],
    ['a value in a list', { body: [{ password: 'x' }] }],
    ['a private key', { pem: '-----BEGIN RSA PRIVATE KEY-----' }],
  ])('is found: %s', (_, written) => {
    expect(findSecrets(written).length).toBe(1);
  });

  it.each<[string, unknown]>([
    ['a variable', { secret: 'env:SEARCH_SECRET', headers: { Authorization: 'Bearer {env:KEY}' } }],
    ['a value of the account', { form: { token: '{customer}' } }],
    ['an address with a port and an at', { url: 'https://search.example:8443/@me?x=a:b@c' }],
    ['words that are near', { tokens: 'x', keyspace: 'y', skip: 'when customer is null', basics: 'Basic' }],
  ])('is not seen in %s', (_, written) => {
    expect(findSecrets(written)).toEqual([]);
  });
});

describe('the order of partners', () => {
  const asked = (name: string, order: Partial<AskedLocation> = {}) =>
    ({ kind: 'http', name, stage: 0, pacing: {}, after: [], before: [], ...order }) as unknown as AskedLocation;
  const table = (name: string, stage: number) => ({ kind: 'table', name, stage }) as AskedLocation;
  const ordered = (...locations: AskedLocation[]) =>
    orderPartners(locations, 'accounts').map((l) => [l.name, l.stage, (l as AskedLocation).early ?? false]);

  it('is after the tables, stage after stage; and before all of them, where a table waits', () => {
    expect(
      ordered(
        table('posts', 0),
        table('feeds', 1),
        asked('search'),
        asked('billing', { after: ['search'] }),
        asked('last', { after: ['billing', 'posts'] }),
        asked('export', { before: ['posts'] }),
        asked('snapshot', { before: ['export'] }),
        asked('freeze', { before: ['accounts'] }),
      ),
    ).toEqual([
      ['posts', 0, false],
      ['feeds', 1, false],
      ['search', 3, false],
      ['billing', 4, false],
      ['last', 5, false],
      ['export', 1, true],
      ['snapshot', 0, true],
      ['freeze', 0, true],
    ]);
  });
});

describe('the catalog of a request and the current one', () => {
  const merged = (accepted: string[], current: string[]) =>
    mergeDeclarations(parse(...accepted), parse(...current)).locations as Record<string, unknown>[];

  it('has the partners of both', () => {
    const locations = merged([POSTS, partner('old')], [POSTS, partner('new')]);
    expect(locations.map((l) => l.table ?? l.partner)).toEqual(['posts', 'old', 'new']);
  });

  it('has a partner once, asked as it is asked now, also in another way', () => {
    const moved = partner('search', 'select: { mail: accounts.email }', HTTP.replace('search.', 'elsewhere.'));
    expect(merged([POSTS, partner('search')], [POSTS, moved])).toMatchObject([
      { table: 'posts' },
      { partner: 'search', http: { url: 'https://elsewhere.example' }, select: { mail: 'accounts.email' } },
    ]);
    const event = '{ partner: search, owner: team, event: {} }';
    expect(merged([POSTS, partner('search')], [POSTS, event])).toMatchObject([
      { table: 'posts' },
      { partner: 'search', event: {} },
    ]);
  });

  it('has the keys of a table under the name that the request has for it', () => {
    const named = POSTS.replace('}', ', name: my stories }');
    expect(
      merged([named], [POSTS, partner('files', 'each: posts.file_key, after: posts'), partner('last', 'after: files')]),
    ).toMatchObject([
      { table: 'posts' },
      { partner: 'files', each: '"my stories"."file_key"', after: ['my stories'] },
      { partner: 'last', after: ['files'] },
    ]);
  });

  it('tells a partner from a table of its name', () => {
    const other = POSTS.replace('}', ', name: search }');
    expect(merged([other], [partner('search'), partner('last', 'after: search')])).toMatchObject([
      { table: 'posts' },
      { partner: 'search (added)' },
      { partner: 'last', after: ['search (added)'] },
    ]);
  });
});
