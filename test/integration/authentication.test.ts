import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { forge } from '../support/forge.ts';
import { accepted, erasuresOf, everything, expectProblem, isFlagged, subject } from '../support/subject.ts';
import { type Answer, type Call, createWorld, jwt, KEYS, type World } from '../support/world.ts';

let world: World;
let call: Call;
/** A scheduled erasure and its account, and an account without one. */
let account: string;
let id: string;
let link: string;
let other: string;
let before: string;

const now = () => Math.floor(Date.now() / 1000);
const bearer = (key: string) => ({ auth: `Bearer ${key}` });
const HS256 = { alg: 'HS256', typ: 'JWT' };

beforeAll(async () => {
  world = await createWorld();
  call = await world.api();
  other = (await subject(world.sql)).account;
});
afterAll(() => world.close());
beforeEach(async () => {
  account = (await subject(world.sql)).account;
  ({ id, link } = await accepted(call, account));
  before = await everything(world.sql);
});

const claims = (more: Record<string, unknown> = {}) => ({
  sub: other,
  iss: 'reader',
  aud: 'lethe',
  iat: now(),
  exp: now() + 300,
  auth_time: now(),
  ...more,
});
const SECRET = 'j'.repeat(40);
const { sub: _, ...withoutSub } = claims();
const { exp: __, ...withoutExp } = claims();

const INVALID: [string, () => string | null | Promise<string>][] = [
  ['none', () => null],
  ['an empty bearer', () => 'Bearer '],
  ['another scheme', () => `Basic ${Buffer.from(`x:${KEYS.write}`).toString('base64')}`],
  ['an unknown API key', () => 'Bearer key-wrong'],
  ['the beginning of an API key', () => `Bearer ${KEYS.admin.slice(0, -1)}`],
  ['garbage with dots', () => 'Bearer a.b.c'],
  ['10 kB', () => `Bearer ${'x'.repeat(10_000)}`],
  ['a JWT that has expired', () => jwt({ sub: other, exp: now() - 60 })],
  ['a JWT without an expiry', () => forge(HS256, withoutExp, SECRET)],
  ['a JWT of another issuer', () => jwt({ sub: other, iss: 'somebody' })],
  ['a JWT for another audience', () => jwt({ sub: other, aud: 'shop' })],
  ['a JWT signed with another secret', () => jwt({ sub: other, secret: 'k'.repeat(40) })],
  ['a JWT signed with HS512', () => jwt({ sub: other, alg: 'HS512', secret: SECRET.padEnd(64, 'j') })],
  ['a JWT that claims HS512 with our secret', () => forge({ ...HS256, alg: 'HS512' }, claims(), SECRET, 'sha512')],
  ['an unsigned JWT', () => forge({ alg: 'none' }, claims(), null)],
  ['an unsigned JWT that says NONE', () => forge({ alg: 'NONE' }, claims(), null)],
  ['an HS256 JWT without a signature', () => forge(HS256, claims(), null)],
  ['a JWT with an RS256 header', () => forge({ ...HS256, alg: 'RS256' }, claims(), SECRET)],
  ['a JWT without sub', () => forge(HS256, withoutSub, SECRET)],
  ['a sub that is no id', () => jwt({ sub: 'alice' })],
  ['a sub with SQL', () => jwt({ sub: `${other} OR 1=1` })],
  ['a sub that is a number', () => forge(HS256, claims({ sub: Number(other) }), SECRET)],
  ['a sub that is a list', () => forge(HS256, claims({ sub: [other] }), SECRET)],
  ...['logout+jwt', 'LOGOUT+JWT', 'dpop+jwt', 'secevent+jwt', 'application/logout+jwt', 'JWE', '', 7].map(
    (typ): (typeof INVALID)[number] => [
      `a JWT of the type ${JSON.stringify(typ)}`,
      () => forge({ ...HS256, typ }, claims(), SECRET),
    ],
  ),
  ['a sub that is null', () => forge(HS256, claims({ sub: null }), SECRET)],
];

it.each(['JWT', 'jwt', 'at+jwt', 'AT+JWT', 'application/at+jwt', 'application/jwt', undefined])(
  'a JWT of the type %s is its account',
  async (typ) => {
    const auth = forge({ alg: 'HS256', ...(typ === undefined ? {} : { typ }) }, claims({ sub: account }), SECRET);
    expect((await call('GET', `/v1/erasures/${id}`, { auth })).status).toBe(200);
  },
);

describe('a credential', () => {
  it.each(INVALID)('that is %s opens nothing', async (_name, make) => {
    const auth = await make();
    const answers: Answer[] = [
      await call('POST', `/v1/accounts/${other}/erasure`, { auth, body: { startNow: true } }),
      await call('GET', `/v1/erasures/${id}`, { auth }),
      await call('DELETE', `/v1/erasures/${id}`, { auth }),
      await call('POST', `/v1/erasures/${id}/start`, { auth }),
      await call('POST', `/v1/erasures/${id}/replay`, { auth }),
    ];
    for (const answer of answers) expectProblem(answer, 401, 'unauthenticated');
    expect(await everything(world.sql)).toBe(before);
  });

  it.each<[string, number | null]>([
    ['missing', null],
    ['older than allowed', now() - 16 * 60],
    ['in the far future', now() + 86_400],
  ])('whose auth_time is %s must be renewed to erase, not to look or to undo', async (_name, authTime) => {
    const auth = await jwt({ sub: account, authTime });
    const fresh = await jwt({ sub: other, authTime });
    const refused = await call('POST', `/v1/accounts/${other}/erasure`, { auth: fresh, body: {} });
    expectProblem(refused, 401, 'reauthentication_required');
    expect(refused.headers.get('www-authenticate')).toContain('insufficient_user_authentication');
    expect(refused.body.maxAge).toBe(900);
    expectProblem(await call('POST', `/v1/erasures/${id}/start`, { auth }), 401, 'reauthentication_required');
    expect(await everything(world.sql)).toBe(before);
    expect((await call('GET', `/v1/erasures/${id}`, { auth })).status).toBe(200);
    expect((await call('DELETE', `/v1/erasures/${id}`, { auth })).body.state).toBe('cancelled');
  });

  it('whose auth_time is a text must be renewed', async () => {
    const auth = forge(HS256, claims({ auth_time: String(now()) }), SECRET);
    const refused = await call('POST', `/v1/accounts/${other}/erasure`, { auth, body: {} });
    expectProblem(refused, 401, 'reauthentication_required');
    expect(await everything(world.sql)).toBe(before);
  });

  it('of the account itself, however its number is spelled, may ask, look, start', async () => {
    const { account: mine } = await subject(world.sql);
    const auth = await jwt({ sub: `000${mine}`, authTime: now() - 14 * 60 });
    const { answer, id: own } = await accepted(call, mine, { auth, body: {} });
    expect(answer.body.accountId).toBe(mine);
    expect((await call('GET', `/v1/erasures/${own}`, { auth })).body.state).toBe('scheduled');
    expect((await call('POST', `/v1/erasures/${own}/start`, { auth })).body.state).toBe('running');
    expectProblem(await call('POST', `/v1/erasures/${own}/replay`, { auth }), 403, 'forbidden');
    const [row] = await world.sql`SELECT requested_by FROM lethe.erasure WHERE id = ${own}`;
    expect(row?.requested_by).toBe('account');
  });

  it('of another account finds nothing', async () => {
    const auth = await jwt({ sub: other });
    const body = { startNow: true };
    expectProblem(await call('POST', `/v1/accounts/${account}/erasure`, { auth, body }), 404, 'not_found');
    expectProblem(await call('GET', `/v1/erasures/${id}`, { auth }), 404, 'not_found');
    expectProblem(await call('DELETE', `/v1/erasures/${id}`, { auth }), 404, 'not_found');
    expectProblem(await call('POST', `/v1/erasures/${id}/start`, { auth }), 404, 'not_found');
    expectProblem(await call('POST', `/v1/erasures/${id}/replay`, { auth }), 403, 'forbidden');
    expect(await everything(world.sql)).toBe(before);
  });

  it('of a scrubbed erasure’s account finds nothing', async () => {
    await call('DELETE', `/v1/erasures/${id}`);
    await world.sql`UPDATE lethe.erasure SET account_key = NULL, scrubbed_at = now() WHERE id = ${id}`;
    expectProblem(await call('GET', `/v1/erasures/${id}`, { auth: await jwt({ sub: account }) }), 404, 'not_found');
  });
});

describe('an API key', () => {
  it.each<[string, string, number[]]>([
    ['erasures:read', KEYS.read, [403, 200, 403, 403, 403]],
    ['erasures:write', KEYS.write, [202, 403, 200, 409, 403]],
    ['admin', KEYS.admin, [202, 200, 200, 409, 409]],
  ])('with the scope %s may do what it says', async (_scope, key, expected) => {
    const { account: mine } = await subject(world.sql);
    const answers = [
      await call('POST', `/v1/accounts/${mine}/erasure`, { ...bearer(key), body: {} }),
      await call('GET', `/v1/erasures/${id}`, bearer(key)),
      await call('DELETE', `/v1/erasures/${id}`, bearer(key)),
      await call('POST', `/v1/erasures/${id}/start`, bearer(key)),
      await call('POST', `/v1/erasures/${id}/replay`, bearer(key)),
    ];
    expect(answers.map((a) => a.status)).toEqual(expected);
    for (const denied of answers.filter((a) => a.status === 403)) expectProblem(denied, 403, 'forbidden');
    expect(await isFlagged(world.sql, mine)).toBe(expected[0] === 202);
    expect((await erasuresOf(world.sql, account))[0]?.state).toBe(expected[2] === 200 ? 'cancelled' : 'scheduled');
  });
});

describe('the status link', () => {
  const ANONYMOUS = { auth: null };

  it('opens its erasure for looking, starting and undoing, without any other credential', async () => {
    const shown = await call('GET', link, ANONYMOUS);
    expect([shown.status, shown.body.id, shown.body.state]).toEqual([200, id, 'scheduled']);
    const undone = await call('DELETE', link, ANONYMOUS);
    expect([undone.status, undone.body.state]).toEqual([200, 'cancelled']);
    const again = await accepted(call, account);
    const started = await call('POST', again.link.replace('?', '/start?'), ANONYMOUS);
    expect([started.status, started.body.state]).toEqual([202, 'running']);
  });

  it('opens nothing else', async () => {
    const second = await accepted(call, (await subject(world.sql)).account);
    before = await everything(world.sql);
    const token = new URLSearchParams(link.split('?')[1]).get('token') as string;
    const elsewhere = `/v1/erasures/${second.id}?token=${token}`;
    const refused = [
      await call('GET', elsewhere, ANONYMOUS),
      await call('DELETE', elsewhere, ANONYMOUS),
      await call('POST', elsewhere.replace('?', '/start?'), ANONYMOUS),
      await call('POST', link.replace('?', '/replay?'), ANONYMOUS),
      await call('POST', `/v1/accounts/${account}/erasure?token=${token}`, { ...ANONYMOUS, body: {} }),
      await call('POST', `/v1/accounts/${account}/erasure`, { ...bearer(token), body: {} }),
      await call('GET', `/v1/erasures/${id}`, bearer(token)),
    ];
    for (const answer of refused) expectProblem(answer, 401, 'unauthenticated');
    expect(await everything(world.sql)).toBe(before);
  });

  it.each([
    ['empty', () => ''],
    ['without its version', (token: string) => token.slice(3)],
    ['of another version', (token: string) => token.replace('v1.', 'v2.')],
    ['cut short', (token: string) => token.slice(0, -2)],
    ['changed by a character', (token: string) => `v1.${token[3] === 'A' ? 'B' : 'A'}${token.slice(4)}`],
    ['of 5 kB', () => `v1.${'A'.repeat(5_000)}`],
  ])('with a token that is %s is refused, also beside a valid key', async (_name, change) => {
    const token = new URLSearchParams(link.split('?')[1]).get('token') as string;
    const path = `/v1/erasures/${id}?token=${encodeURIComponent(change(token))}`;
    expectProblem(await call('GET', path, ANONYMOUS), 401, 'unauthenticated');
    expectProblem(await call('DELETE', path, bearer(KEYS.admin)), 401, 'unauthenticated');
    expect(await everything(world.sql)).toBe(before);
  });
});

describe('secrets', () => {
  it('are rotated: links of the former one still open, of a dropped one no longer', async () => {
    const added = await world.api({ LETHE_SECRET: `${'n'.repeat(40)},${world.env.LETHE_SECRET}` });
    expect((await added('GET', link, { auth: null })).status).toBe(200);
    const dropped = await world.api({ LETHE_SECRET: 'n'.repeat(40) });
    expectProblem(await dropped('GET', link, { auth: null }), 401, 'unauthenticated');
    const { link: renewed } = await accepted(added, account);
    expect((await dropped('GET', renewed, { auth: null })).status).toBe(200);
  });
});
