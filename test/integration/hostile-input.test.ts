import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { everything, expectProblem, SMALL, subject } from '../support/subject.ts';
import { type Call, createWorld, jwt, KEYS, type World } from '../support/world.ts';

let world: World;
let call: Call & { base: string };
let account: string;
let before: string;

beforeAll(async () => {
  world = await createWorld();
  call = await world.api();
  account = (await subject(world.sql, SMALL)).account;
});
afterAll(() => world.close());
beforeEach(async () => {
  before = await everything(world.sql);
});

const post = (id: string, options: Parameters<Call>[2] = { body: {} }) =>
  call('POST', `/v1/accounts/${id}/erasure`, options);

describe('an account id', () => {
  it.each([
    ['SQL that ends a statement', '1;DROP TABLE accounts', 422],
    ['SQL that is always true', '1 OR 1=1', 422],
    ['SQL that ends a string', "1'--", 422],
    ['an emoji', '💀', 422],
    ['percent-encoded NUL', '1%00', 422],
    ['malformed percent encoding', '%E0%A4%A', 422],
    ['a lone percent sign', '1%', 422],
    ['a text of 10 kB', '9'.repeat(10_240), 422],
    ['a plus sign', '+1', 422],
    ['an encoded plus sign', '%2B1', 422],
    ['a leading space', '%201', 422],
    ['a trailing newline', '1%0A', 422],
    ['decimals', '1.0', 422],
    ['an exponent', '1e0', 422],
    ['hexadecimal', '0x1', 422],
    ['digits of another script', '%D9%A1', 422],
    ['20 digits', '1'.repeat(20), 422],
    ['one more than a bigint', '9223372036854775808', 422],
    ['the largest bigint', '9223372036854775807', 404],
    ['the smallest bigint', '-9223372036854775808', 404],
    ['a negative number', '-1', 404],
    ['minus zero', '-0', 404],
    ['nothing', '', 404],
    ['an encoded slash', '1%2F1', 422],
    ['__proto__', '__proto__', 422],
  ])('that is %s is refused and changes nothing', async (_, id, status) => {
    const refused = await post(id);
    expectProblem(refused, status, status === 422 ? 'invalid_request' : 'not_found');
    if (status === 422) expect(refused.body.field).toBe('accountId');
    expect(JSON.stringify(refused.body).length).toBeLessThan(500);
    expect(await everything(world.sql)).toBe(before);
  });

  it('with leading zeros is the same account', async () => {
    const large = await subject(world.sql);
    const padded = await post(`00${large.account}`);
    expect(padded.status).toBe(202);
    expect(padded.body.accountId).toBe(large.account);
    const plain = await post(large.account);
    expect(plain.body.id).toBe(padded.body.id);
    const own = await call('GET', `/v1/erasures/${plain.body.id}`, { auth: await jwt({ sub: `0${large.account}` }) });
    expect(own.status).toBe(200);
  });
});

const json = { 'Content-Type': 'application/json' };

describe('a body', () => {
  it.each<[string, string, Record<string, string>, string]>([
    ['not JSON', '{startNow', json, 'body'],
    ['an array', '[]', json, 'body'],
    ['a string', '"startNow"', json, 'body'],
    ['a number', '1', json, 'body'],
    ['null', 'null', json, 'body'],
    ['a text as startNow', '{"startNow":"yes"}', json, 'startNow'],
    ['a number as startNow', '{"startNow":1}', json, 'startNow'],
    ['null as startNow', '{"startNow":null}', json, 'startNow'],
    ['an unknown field', '{"startNow":true,"account":1}', json, 'account'],
    ['a field of 10 kB', `{"${'x'.repeat(10_000)}":1}`, json, 'x'.repeat(50)],
    ['__proto__', '{"__proto__":{"startNow":true}}', json, '__proto__'],
    ['constructor', '{"constructor":{"prototype":{"startNow":true}}}', json, 'constructor'],
    ['arrays nested 5,000 deep', `${'['.repeat(5_000)}${']'.repeat(5_000)}`, json, 'body'],
    ['startNow nested 5,000 deep', `{"startNow":${'['.repeat(5_000)}${']'.repeat(5_000)}}`, json, 'startNow'],
    ['objects nested 2,000 deep', `${'{"a":'.repeat(2_000)}1${'}'.repeat(2_000)}`, json, 'a'],
    ['a form', 'startNow=true', { 'Content-Type': 'application/x-www-form-urlencoded' }, 'Content-Type'],
    ['JSON that says it is text', '{"startNow":true}', { 'Content-Type': 'text/plain' }, 'Content-Type'],
    ['gzip', gzipSync('{}').toString('latin1'), { ...json, 'Content-Encoding': 'gzip' }, 'body'],
    ['binary garbage', '\u001f\u008b\u0000\u0001', json, 'body'],
  ])('that is %s is refused, naming the field, and changes nothing', async (_, raw, headers, field) => {
    const refused = await post(account, { raw, headers });
    expectProblem(refused, 422, 'invalid_request');
    expect(refused.body.field).toBe(field);
    expect(await everything(world.sql)).toBe(before);
  });

  it.each([
    ['with its length', {}],
    ['with the wrong content type', { 'Content-Type': 'text/plain' }],
  ])('of 17 kB %s is refused', async (_, headers) => {
    const refused = await post(account, { raw: JSON.stringify({ pad: 'x'.repeat(17 * 1024) }), headers });
    expectProblem(refused, 413, 'payload_too_large');
    expect(await everything(world.sql)).toBe(before);
  });

  it('of 17 kB in pieces without a length is refused', async () => {
    const piece = new TextEncoder().encode(' '.repeat(1024));
    let left = 17;
    const body = new ReadableStream({
      pull: (controller) => (left-- > 0 ? controller.enqueue(piece) : controller.close()),
    });
    const headers = { ...json, Authorization: `Bearer ${KEYS.write}` };
    const response = await fetch(`${call.base}/v1/accounts/${account}/erasure`, {
      method: 'POST',
      headers,
      body,
      duplex: 'half',
    });
    expect(response.status).toBe(413);
    expect(await response.json()).toMatchObject({ code: 'payload_too_large' });
    expect(await everything(world.sql)).toBe(before);
  });

  it('may be missing, and may say that it is JSON in any spelling', async () => {
    const first = await post((await subject(world.sql)).account, {});
    expect(first.status).toBe(202);
    const type = { 'Content-Type': 'Application/JSON; charset=utf-8' };
    const second = await post((await subject(world.sql)).account, { raw: '{"startNow":false}', headers: type });
    expect([second.status, second.body.state]).toEqual([202, 'scheduled']);
  });
});

describe('an Idempotency-Key', () => {
  it.each([
    ['empty', ''],
    ['of 256 characters', 'k'.repeat(256)],
  ])('that is %s is refused', async (_, key) => {
    const refused = await post(account, { body: {}, headers: { 'Idempotency-Key': key } });
    expectProblem(refused, 422, 'invalid_request');
    expect(refused.body.field).toBe('Idempotency-Key');
    expect(await everything(world.sql)).toBe(before);
  });
});
