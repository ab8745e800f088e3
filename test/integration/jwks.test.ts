import { createPublicKey, type JsonWebKey } from 'node:crypto';
import { exportJWK, generateKeyPair, importJWK, type JWK } from 'jose';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { forge } from '../support/forge.ts';
import { type SigningKey, signed, signingKey, startKeyProvider } from '../support/key-provider.ts';
import { accepted, everything, expectProblem, subject } from '../support/subject.ts';
import { type Call, createWorld, jwt, type World } from '../support/world.ts';

const ALGORITHMS = ['RS256', 'RS512', 'PS256', 'ES256', 'ES384', 'EdDSA'];
let world: World;
let provider: Awaited<ReturnType<typeof startKeyProvider>>;
let keys: Record<string, SigningKey>;
let stranger: SigningKey;
let call: Call;
let account: string;
let id: string;

beforeAll(async () => {
  const made = await Promise.all(ALGORITHMS.map((alg) => signingKey(alg, `key-${alg}`)));
  keys = Object.fromEntries(made.map((key) => [key.alg, key]));
  stranger = await signingKey('RS256', 'key-RS256');
  provider = await startKeyProvider([]);
  world = await createWorld({ env: { LETHE_JWKS_URL: provider.url } });
  call = await world.api();
  account = (await subject(world.sql)).account;
  ({ id } = await accepted(call, account));
});
afterAll(async () => {
  await world?.close();
  await provider?.close();
});
beforeEach(() => {
  // The clock only: everything else waits for real.
  vi.useFakeTimers({ toFake: ['Date'] });
  provider.keys = Object.values(keys).map((key) => key.jwk);
  provider.answer = provider.honest;
  provider.reads = 0;
});
afterEach(() => {
  vi.useRealTimers();
});

const key = (alg: string) => keys[alg] as SigningKey;
const look = (api: Call, auth: string | null) => api('GET', `/v1/erasures/${id}`, { auth });
const later = (seconds: number) => vi.setSystemTime(Date.now() + seconds * 1000);
const fresh = (env: Record<string, string> = {}) => world.api(env);
const claims = () => {
  const now = Math.floor(Date.now() / 1000);
  return { sub: account, iss: 'reader', aud: 'lethe', iat: now, exp: now + 300, auth_time: now };
};

describe('a JWT of the provider', () => {
  it('that it issued for something else is refused, although its keys signed it', async () => {
    for (const typ of ['logout+jwt', 'dpop+jwt', 'entity-statement+jwt'])
      expectProblem(await look(call, await signed(key('ES256'), { sub: account }, { typ })), 401, 'unauthenticated');
    expect((await look(call, await signed(key('ES256'), { sub: account }, { typ: 'at+jwt' }))).status).toBe(200);
  });

  it.each(ALGORITHMS)('signed with %s is its account, and may ask for its erasure', async (alg) => {
    const { account: mine } = await subject(world.sql);
    const auth = await signed(key(alg), { sub: mine });
    const { answer } = await accepted(call, mine, { auth, body: {} });
    expect(answer.body.accountId).toBe(mine);
    expectProblem(await look(call, auth), 404, 'not_found');
    expect((await look(call, await signed(key(alg), { sub: account }))).status).toBe(200);
  });

  it('is read beside HS256, and each is refused where it is not configured', async () => {
    expect((await look(call, await jwt({ sub: account }))).status).toBe(200);
    const only = await fresh({ LETHE_JWT_SECRET: '' });
    expectProblem(await look(only, await jwt({ sub: account })), 401, 'unauthenticated');
    expect((await look(only, await signed(key('ES256'), { sub: account }))).status).toBe(200);
    const without = await fresh({ LETHE_JWKS_URL: '' });
    expectProblem(await look(without, await signed(key('ES256'), { sub: account })), 401, 'unauthenticated');
    expect((await look(without, await jwt({ sub: account }))).status).toBe(200);
  });

  it('that many send at once makes the key set read once', async () => {
    const api = await fresh();
    const auth = await signed(key('RS256'), { sub: account });
    const answers = await Promise.all(Array.from({ length: 30 }, () => look(api, auth)));
    expect(new Set(answers.map((a) => a.status))).toEqual(new Set([200]));
    expect(provider.reads).toBe(1);
  });
});

const spki = () => createPublicKey({ key: key('RS256').jwk as JsonWebKey, format: 'jwk' });
const HS256 = { alg: 'HS256', kid: 'key-RS256' };
const now = () => Math.floor(Date.now() / 1000);

describe('refused with 401, and nothing changes: a JWT', () => {
  it.each<[string, () => string | Promise<string>]>([
    [
      'HS256 with the public key’s PEM as secret',
      () => forge(HS256, claims(), String(spki().export({ type: 'spki', format: 'pem' }))),
    ],
    [
      'HS256 with the trimmed PEM',
      () => forge(HS256, claims(), String(spki().export({ type: 'spki', format: 'pem' })).trim()),
    ],
    ['HS256 with the public key’s JWK', () => forge(HS256, claims(), JSON.stringify(key('RS256').jwk))],
    ['HS256 with the modulus', () => forge(HS256, claims(), String(key('RS256').jwk.n))],
    ['HS256 with an empty secret', () => forge(HS256, claims(), '')],
    ['RS256 with an HMAC of the shared secret', () => forge({ ...HS256, alg: 'RS256' }, claims(), 'j'.repeat(40))],
    ['RS256 without a signature', () => forge({ ...HS256, alg: 'RS256' }, claims(), null)],
    ['none', () => forge({ alg: 'none' }, claims(), null)],
    ['none with a key id', () => forge({ alg: 'none', kid: 'key-RS256' }, claims(), null)],
    ['None', () => forge({ alg: 'None', kid: 'key-RS256' }, claims(), null)],
    ['no alg', () => forge({ kid: 'key-RS256' }, claims(), null)],
    ['a list as alg', () => forge({ alg: ['RS256'], kid: 'key-RS256' }, claims(), null)],
    ['a key id that is unknown', () => signed(key('RS256'), { sub: account }, { kid: 'nothing' })],
    ['another key’s id', () => signed(key('RS256'), { sub: account }, { kid: 'key-PS256' })],
    ['a known key id of a stranger’s key', () => signed(stranger, { sub: account })],
    ['a path as key id', () => signed(stranger, { sub: account }, { kid: '../../../../dev/null' })],
    ['SQL as key id', () => signed(stranger, { sub: account }, { kid: "' UNION SELECT 'k'--" })],
    ['a number as key id', () => forge({ alg: 'RS256', kid: 7 }, claims(), 'x')],
    ['its own key in the header', () => signed(stranger, { sub: account }, { jwk: stranger.jwk })],
    [
      'its own key set’s address in the header',
      () => signed(stranger, { sub: account }, { jku: `${provider.url}/own`, kid: 'own' }),
    ],
    ['a critical header of its own', () => forge({ alg: 'RS256', kid: 'key-RS256', crit: ['x'], x: 1 }, claims(), 'x')],
    ['an issuer that is another', () => signed(key('RS256'), { sub: account, iss: 'somebody' })],
    ['an audience that is another', () => signed(key('RS256'), { sub: account, aud: 'shop' })],
    ['an expiry that has passed', () => signed(key('RS256'), { sub: account, exp: now() - 60 })],
    ['a sub that is no id', () => signed(key('RS256'), { sub: 'alice' })],
    ['a header of 7 kB', () => signed(stranger, { sub: account }, { kid: 'k'.repeat(5_000) })],
    ['a header of 10 kB', () => signed(key('RS256'), { sub: account }, { pad: 'k'.repeat(8_000) })],
    ['a header that is no JSON', () => `Bearer ${Buffer.from('alg').toString('base64url')}.e30.x`],
  ])('with %s', async (_, make) => {
    const auth = await make();
    const before = await everything(world.sql);
    expectProblem(await look(call, auth), 401, 'unauthenticated');
    const body = { startNow: true };
    expectProblem(await call('POST', `/v1/accounts/${account}/erasure`, { auth, body }), 401, 'unauthenticated');
    expect(await everything(world.sql)).toBe(before);
  });

  it('signed with a symmetric key that the provider published by mistake', async () => {
    const secret = 'p'.repeat(40);
    provider.keys = [{ kty: 'oct', k: Buffer.from(secret).toString('base64url'), kid: 'oct', alg: 'HS256' }];
    for (const env of [{}, { LETHE_JWT_SECRET: '' }]) {
      const api = await fresh(env);
      expectProblem(await look(api, forge({ alg: 'HS256', kid: 'oct' }, claims(), secret)), 401, 'unauthenticated');
    }
  });
});

describe('keys that change', () => {
  it('a new one is picked up, and one that was withdrawn no longer opens anything', async () => {
    const api = await fresh();
    const old = await signed(key('RS256'), { sub: account });
    expect((await look(api, old)).status).toBe(200);
    const next = await signingKey('ES256', 'next');
    provider.keys = [next.jwk];
    later(31);
    expect((await look(api, await signed(next, { sub: account }))).status).toBe(200);
    expect(provider.reads).toBe(2);
    expectProblem(await look(api, old), 401, 'unauthenticated');
  });

  it('are read again after ten minutes, so that a withdrawn one is noticed without a new one', async () => {
    const api = await fresh();
    expect((await look(api, await signed(key('RS256'), { sub: account }))).status).toBe(200);
    provider.keys = [key('ES256').jwk];
    later(599);
    expect((await look(api, await signed(key('RS256'), { sub: account }))).status).toBe(200);
    later(2);
    expectProblem(await look(api, await signed(key('RS256'), { sub: account })), 401, 'unauthenticated');
  });

  it('a flood of invented key ids is not passed on', async () => {
    const api = await fresh();
    const invented = (n: number) => signed(stranger, { sub: account }, { kid: `invented-${n}` });
    for (let n = 0; n < 10; n++) expect((await look(api, await invented(n))).status).toBe(401);
    later(31);
    const tokens = await Promise.all(Array.from({ length: 20 }, (_, n) => invented(100 + n)));
    const answers = await Promise.all(tokens.map((auth) => look(api, auth)));
    expect(new Set(answers.map((a) => a.status))).toEqual(new Set([401]));
    expect(provider.reads).toBe(2);
  });
});

describe('keys that fit a token without a key id', () => {
  const NO_ID = { kid: undefined };

  it('are each tried: during a rotation the old one and the new one open, a stranger’s does not', async () => {
    const next = await signingKey('RS256', 'next');
    provider.keys = [key('RS256').jwk, next.jwk];
    const api = await fresh();
    for (const one of [key('RS256'), next]) {
      expect((await look(api, await signed(one, { sub: account }, NO_ID))).status).toBe(200);
      const expired = await look(api, await signed(one, { sub: account, exp: now() - 60 }, NO_ID));
      expectProblem(expired, 401, 'unauthenticated');
      expect(expired.body.detail).toContain('ERR_JWT_EXPIRED');
    }
    expectProblem(await look(api, await signed(stranger, { sub: account }, NO_ID)), 401, 'unauthenticated');
  });

  it('are tried up to five', async () => {
    const many = await Promise.all(Array.from({ length: 6 }, (_, n) => signingKey('ES256', `many-${n}`)));
    provider.keys = many.map((one) => one.jwk);
    const api = await fresh();
    const statuses: number[] = [];
    for (const one of many) statuses.push((await look(api, await signed(one, { sub: account }, NO_ID))).status);
    expect(statuses).toEqual([200, 200, 200, 200, 200, 401]);
  });

  it('give 503 when none of them can be used', async () => {
    const broken = { ...key('RS256').jwk, n: 'AQAB' };
    provider.keys = [broken, { ...broken, kid: 'other' }];
    expectProblem(
      await look(await fresh(), await signed(key('RS256'), { sub: account }, NO_ID)),
      503,
      'keys_unavailable',
    );
  });
});

const FAILING: [string, (response: import('node:http').ServerResponse) => void][] = [
  ['says 500', (r) => r.writeHead(500).end('{"keys":[]}')],
  ['hangs up', (r) => r.destroy()],
  ['says nothing', () => {}],
  ['begins and says no more', (r) => r.writeHead(200, { 'Content-Type': 'application/json' }).write('{"keys":[')],
  ['sends HTML', (r) => r.end('<html>')],
  ['sends null', (r) => r.end('null')],
  ['sends no list', (r) => r.end('{"keys":{}}')],
  ['sends us elsewhere', (r) => r.writeHead(302, { Location: provider.url }).end()],
];

describe('a provider that', () => {
  it.each(FAILING)('%s gives 503, not 401, soon, and is not asked by each request', async (_, answer) => {
    const api = await fresh();
    provider.answer = answer;
    const began = performance.now();
    const auth = await signed(key('RS256'), { sub: account });
    const first = await look(api, auth);
    expect(performance.now() - began).toBeLessThan(5_000);
    expectProblem(first, 503, 'keys_unavailable');
    expect(Number(first.headers.get('retry-after'))).toBeGreaterThan(0);
    for (let n = 0; n < 5; n++) expectProblem(await look(api, auth), 503, 'keys_unavailable');
    expect(provider.reads).toBe(1);
    // Others do not depend on it.
    expect((await look(api, await jwt({ sub: account }))).status).toBe(200);
    provider.answer = provider.honest;
    later(6);
    expect((await look(api, auth)).status).toBe(200);
  });

  it('fails later keeps known keys open for an hour; unknown ones are 503', async () => {
    const api = await fresh();
    const good = () => signed(key('RS256'), { sub: account });
    expect((await look(api, await good())).status).toBe(200);
    provider.answer = (r) => r.writeHead(500).end();
    later(700);
    expect((await look(api, await good())).status).toBe(200);
    const unknown = await signed(stranger, { sub: account }, { kid: 'unknown' });
    expectProblem(await look(api, unknown), 503, 'keys_unavailable');
    expect(provider.reads).toBe(2);
    later(3_000);
    expectProblem(await look(api, await good()), 503, 'keys_unavailable');
  });

  it('publishes a key that is too weak gives 503', async () => {
    const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true, modulusLength: 2048 });
    const jwk: JWK = { ...(await exportJWK(publicKey)), alg: 'RS256', kid: 'broken', use: 'sig', n: 'AQAB' };
    provider.keys = [jwk];
    const api = await fresh();
    const own = await importJWK(await exportJWK(privateKey), 'RS256');
    const auth = await signed(
      { alg: 'RS256', kid: 'broken', privateKey: own as SigningKey['privateKey'] },
      { sub: account },
    );
    expectProblem(await look(api, auth), 503, 'keys_unavailable');
  });
});
