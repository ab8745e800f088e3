import { createHash, randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Running, start, stop } from '../../dev/process.ts';
import { type RedisServer, startRedis } from '../../dev/redis.ts';
import { patience } from '../../src/http/access/patience.ts';
import { dump } from '../support/dashboard.ts';
import { accepted, expectProblem, subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { type Answer, type Call, createWorld, jwt, KEYS, type World } from '../support/world.ts';

const LIMIT = 20;
/** A tenth: credentials that are not genuine. */
const FAILURES = 2;
const PATIENCE_MS = 2_000;
/** Sets the same in the other process before its program begins. */
const PATIENT = `data:text/javascript,${encodeURIComponent(`
  import { patience } from ${JSON.stringify(new URL('../../src/http/access/patience.ts', import.meta.url).href)};
  patience.ms = ${PATIENCE_MS};`)}`;
let redis: RedisServer;
let admin: Redis;
let world: World;
let call: Call & { base: string };
let child: Running | undefined;
/** A second API, in a process of its own. */
let second: { ask: (path: string, auth: string | null, from?: string) => Promise<Response>; output: () => string };
let nextAddress = 0;
let address: string;
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

beforeAll(async () => {
  // Counts are exact only where Redis is waited for: on a busy machine a tenth of a second passes.
  patience.ms = PATIENCE_MS;
  redis = await startRedis();
  admin = new Redis(redis.url, { maxRetriesPerRequest: null });
  admin.on('error', () => {});
  world = await createWorld({
    redisUrl: redis.url,
    env: { LETHE_RATE_LIMIT: String(LIMIT), LETHE_TRUSTED_PROXIES: '1' },
  });
  call = await world.api();
  const other = start(process.execPath, ['--import', 'tsx', '--import', PATIENT, 'src/cli/lethe.ts', 'api'], {
    env: { PATH: process.env.PATH, ...world.env, LOG_LEVEL: 'info' },
  });
  child = other;
  const port = await until('the second process listens', () => /"port":(\d+)/.exec(other.output())?.[1], 50_000);
  second = {
    ask: (path, auth, from = address) =>
      fetch(`http://127.0.0.1:${port}${path}`, {
        headers: { 'X-Forwarded-For': from, ...(auth ? { Authorization: auth } : {}) },
      }),
    output: other.output,
  };
  await limited();
});
afterAll(async () => {
  if (child) await stop(child, 'SIGKILL');
  await world?.close();
  admin?.disconnect();
  await redis?.destroy();
});
beforeEach(() => {
  address = `203.0.113.${++nextAddress}`;
});

/** Something that nobody may see, so that each answer is cheap and none changes anything. */
const path = () => `/v1/erasures/${randomUUID()}`;
const ask = (auth: string | null, headers: Record<string, string> = {}, where = path()) =>
  call('GET', where, { auth, headers: { 'X-Forwarded-For': address, ...headers } });
const bearer = (key: string) => `Bearer ${key}`;
const remaining = (answer: { headers: Headers }) => answer.headers.get('ratelimit-remaining');

/** Both processes count together again, after the time in which they counted by themselves. */
async function limited() {
  await until('both count together', async () => {
    const from = `198.51.100.${++nextAddress % 250}`;
    const [, two] = [await ask(null, { 'X-Forwarded-For': from }), await second.ask(path(), null, from)];
    return Number(two.headers.get('ratelimit-remaining')) === LIMIT - 2;
  });
}

/** Commands that Redis has had to count by. What a process tries at times, to see what Redis allows it, finds no script. */
const countings = async () => {
  const [, calls, failed] =
    /cmdstat_evalsha:calls=(\d+).*failed_calls=(\d+)/.exec(await admin.info('commandstats')) ?? [];
  return Number(calls ?? 0) - Number(failed ?? 0);
};

/** Asks until the limit says no; fails when it never does. Returns how many were let in. */
async function exhaust(attempt: () => Promise<Answer>): Promise<{ admitted: number; refused: Answer }> {
  for (let admitted = 0; admitted <= 2 * LIMIT; admitted++) {
    const answer = await attempt();
    if (answer.status === 429) return { admitted, refused: answer };
  }
  throw new Error('nothing was refused');
}

function expectRefused(answer: Answer, points: number) {
  expectProblem(answer, 429, 'rate_limited');
  const seconds = Number(answer.headers.get('retry-after'));
  expect(seconds).toBeGreaterThan(30);
  expect(seconds).toBeLessThanOrEqual(60);
  expect(answer.body.retryAfter).toBe(seconds);
  expect(answer.headers.get('ratelimit-limit')).toBe(String(points));
  expect(answer.headers.get('ratelimit-remaining')).toBe('0');
  expect(answer.headers.get('ratelimit-reset')).toBe(String(seconds));
}

describe('a caller', () => {
  it('is told how much is left, is refused beyond it, and nobody else is', async () => {
    const first = await ask(bearer(KEYS.read));
    expect(first.status).toBe(404);
    expect(first.headers.get('ratelimit-limit')).toBe(String(LIMIT));
    expect(remaining(first)).toBe(String(LIMIT - 1));
    expect(Number(first.headers.get('ratelimit-reset'))).toBeGreaterThan(50);
    expect(remaining(await ask(bearer(KEYS.read)))).toBe(String(LIMIT - 2));
    const { admitted, refused } = await exhaust(() => ask(bearer(KEYS.read)));
    expect(admitted).toBe(LIMIT - 2);
    expectRefused(refused, LIMIT);
    // From another address it is the same key, and another key at this address is another caller.
    expectRefused(await ask(bearer(KEYS.read), { 'X-Forwarded-For': '192.0.2.99' }), LIMIT);
    expect((await ask(bearer(KEYS.admin))).status).toBe(404);
  });

  it('has one budget in all processes', async () => {
    const auth = await jwt({ sub: '4001' });
    const statuses: number[] = [];
    for (let i = 0; i < LIMIT / 2; i++) {
      statuses.push((await ask(auth)).status, (await second.ask(path(), auth)).status);
    }
    expect(new Set(statuses)).toEqual(new Set([404]));
    expectRefused(await ask(auth), LIMIT);
    // An answer of Redis later than the other process waits for lets one through.
    await until('the other process refuses as well', async () => (await second.ask(path(), auth)).status === 429);
  });

  it('is an account whatever its JWT, and forged ones do not use up its budget', async () => {
    const one = await jwt({ sub: '4002' });
    const other = await jwt({ sub: '4002', exp: Date.now() / 1000 + 999 });
    expect(other).not.toBe(one);
    expect(remaining(await ask(one))).toBe(String(LIMIT - 1));
    expect(remaining(await ask(other))).toBe(String(LIMIT - 2));
    for (let i = 0; i < 2 * LIMIT; i++) {
      const forged = await jwt({ sub: '4002', secret: 'k'.repeat(40), exp: Date.now() / 1000 + 60 + i });
      expect((await ask(forged, { 'X-Forwarded-For': `192.0.2.${i + 1}` })).status).toBe(401);
    }
    expect(remaining(await ask(one))).toBe(String(LIMIT - 3));
  });

  it('is an erasure for who comes with its status link, and wrong tokens do not use up its budget', async () => {
    const own = { headers: { 'X-Forwarded-For': '192.0.2.200' }, body: {} };
    const { id, link } = await accepted(call, (await subject(world.sql)).account, own);
    expect(remaining(await ask(null, {}, link))).toBe(String(LIMIT - 1));
    for (let i = 0; i < 2 * LIMIT; i++) {
      const headers = { 'X-Forwarded-For': `192.0.2.${i + 1}` };
      expect((await ask(null, headers, `/v1/erasures/${id}?token=v1.${'A'.repeat(43)}`)).status).toBe(401);
    }
    expect(remaining(await ask(null, { 'X-Forwarded-For': '192.0.2.201' }, link))).toBe(String(LIMIT - 2));
    const page = link.replace('/v1/erasures/', '/status/');
    expect(remaining(await ask(null, { 'X-Forwarded-For': '192.0.2.202' }, page))).toBe(String(LIMIT - 3));
  });

  it('without a credential is an address', async () => {
    const { admitted, refused } = await exhaust(() => ask(null));
    expect(admitted).toBe(LIMIT);
    expectRefused(refused, LIMIT);
    expect((await ask(null, { 'X-Forwarded-For': '192.0.2.203' })).status).toBe(401);
  });

  it('may always ask for health', async () => {
    await exhaust(() => ask(null));
    for (const open of ['/healthz', '/readyz']) {
      for (let n = 0; n <= LIMIT; n++) {
        const answer = await ask(null, {}, open);
        expect(answer.status).not.toBe(429);
        expect(answer.headers.get('ratelimit-limit')).toBeNull();
      }
    }
  });

  it.each(['/openapi.json', '/admin/login'])('may ask for %s so often, whatever else was asked for', async (open) => {
    await exhaust(() => ask(null));
    const { admitted, refused } = await exhaust(() => ask(null, {}, open));
    expect(admitted).toBe(LIMIT);
    expectRefused(refused, LIMIT);
    expect((await ask(null, { 'X-Forwarded-For': '192.0.2.209' }, open)).status).toBe(200);
  });

  it('is never refused where the limit is 0', async () => {
    const free = await world.api({ LETHE_RATE_LIMIT: '0' });
    const headers = { 'X-Forwarded-For': address };
    await exhaust(() => ask(null));
    const answer = await free('GET', path(), { auth: null, headers });
    expect([answer.status, remaining(answer)]).toEqual([401, null]);
  });
});

describe('trying credentials', () => {
  it.each<[string, (n: number) => Promise<Answer>]>([
    ['keys', (n) => ask(bearer(`guess-${n}`))],
    ['JWTs', async (n) => ask(await jwt({ sub: '1', secret: `${n}`.repeat(40) }))],
    ['status tokens', (n) => ask(null, {}, `${path()}?token=v1.${n}`)],
  ])('%s is refused after a few, at this address only', async (_, guess) => {
    for (let n = 1; n <= FAILURES; n++) expect((await guess(n)).status).toBe(401);
    expectRefused(await guess(8), FAILURES);
    // Nothing was guessed: the address has its own budget.
    expect((await ask(null)).status).toBe(401);
    address = `198.18.0.${nextAddress}`;
    expect((await guess(9)).status).toBe(401);
  });

  it('is counted before it is looked at, however many come at once', async () => {
    // So that all have come before the first is counted.
    await admin.call('CLIENT', 'PAUSE', '1000');
    const answers = await Promise.all(Array.from({ length: 60 }, (_, n) => ask(bearer(`guess-${n}`))));
    expect(answers.filter((a) => a.status === 401).length).toBe(FAILURES);
    expect(answers.filter((a) => a.status === 429).length).toBe(60 - FAILURES);
  });

  it('refuses nobody else at the same address, also who comes for the first time', async () => {
    const own = { headers: { 'X-Forwarded-For': '192.0.2.207' }, body: {} };
    const { link } = await accepted(call, (await subject(world.sql)).account, own);
    await exhaust(() => ask(bearer('guess')));
    expect((await ask(null, {}, link)).status).toBe(200);
    expect((await ask(null, {}, link.replace('/v1/erasures/', '/status/'))).status).toBe(200);
    expect((await ask(await jwt({ sub: '4004' }))).status).toBe(404);
    const other = await world.api({ LETHE_API_KEYS: `fresh=admin=${sha256('key-fresh')}` });
    const headers = { 'X-Forwarded-For': address };
    expect((await other('GET', path(), { auth: bearer('key-fresh'), headers })).status).toBe(404);
  });

  it.each<[string, (n: number) => Promise<string>]>([
    ['keys', async (n) => bearer(`guess-${n}`)],
    ['JWTs', (n) => jwt({ sub: '1', secret: `${n}`.repeat(40) })],
  ])('%s beside a status link is refused after a few all the same', async (_, guess) => {
    const own = { headers: { 'X-Forwarded-For': '192.0.2.205' }, body: {} };
    const { id, link } = await accepted(call, (await subject(world.sql)).account, own);
    const replay = async (n: number) =>
      call('POST', link.replace(id, `${id}/replay`), {
        auth: await guess(n),
        headers: { 'X-Forwarded-For': address },
      });
    for (let n = 1; n <= FAILURES; n++) expect((await replay(n)).status).toBe(401);
    expectRefused(await replay(8), FAILURES);
    // Who is known goes on working here, a link alone and with a JWT.
    const elsewhere = { 'X-Forwarded-For': '192.0.2.206' };
    for (const auth of [null, await jwt({ sub: '4008' })]) {
      expect((await ask(auth, elsewhere, link)).status).toBe(200);
      expect((await ask(auth, {}, link)).status).toBe(200);
    }
  });

  it('is not what an expired JWT or a missing one does', async () => {
    for (let n = 0; n <= FAILURES; n++) {
      expect((await ask(await jwt({ sub: '4005', exp: Date.now() / 1000 - 60 }))).status).toBe(401);
      expect((await ask(null)).status).toBe(401);
    }
    expect((await ask(await jwt({ sub: '4005' }))).status).toBe(404);
  });
});

describe('X-Forwarded-For', () => {
  it('cannot be used to be somebody else: only what the proxy appended counts', async () => {
    let n = 0;
    const spoofs = ['192.0.2.1', 'garbage', '::1', 'x'.repeat(4_000), '"', '192.0.2.1, 192.0.2.2', ''];
    const spoofed = () => ask(null, { 'X-Forwarded-For': `${n++},${spoofs[n % spoofs.length]}, ${address}` });
    expect((await exhaust(spoofed)).admitted).toBe(LIMIT);
  });

  it('counts a /64 as one', async () => {
    let n = 0;
    const roaming = () => ask(null, { 'X-Forwarded-For': `2001:db8:7:7::${(++n).toString(16)}` });
    expect((await exhaust(roaming)).admitted).toBe(LIMIT);
    expect((await ask(null, { 'X-Forwarded-For': '2001:db8:7:8::1' })).status).toBe(401);
  });

  it('is ignored where no proxy is trusted', async () => {
    const direct = await world.api({ LETHE_TRUSTED_PROXIES: '0', LETHE_REDIS_PREFIX: '{direct}' });
    let n = 0;
    const lying = () => direct('GET', path(), { auth: null, headers: { 'X-Forwarded-For': `10.0.0.${++n}` } });
    await until('it counts', async () => remaining(await lying()) !== null);
    expectRefused((await exhaust(lying)).refused, LIMIT);
    expect(n).toBeGreaterThanOrEqual(LIMIT);
  });
});

describe('Redis', () => {
  it('holds for a minute, and no address, credential or account, whoever comes', async () => {
    const prefix = world.env.LETHE_REDIS_PREFIX as string;
    const callers = Array.from({ length: 400 }, (_, n) => `10.1.${n >> 8}.${n & 255}`);
    const left = [...callers];
    const some = async () => {
      for (let one = left.pop(); one; one = left.pop())
        expect((await ask(bearer(`guess ${one}`.replace(' ', '-')), { 'X-Forwarded-For': one })).status).toBe(401);
    };
    await Promise.all(Array.from({ length: 20 }, some));
    await ask(await jwt({ sub: '918273645' }));
    const kept = await dump(admin, `${prefix}:rate:`);
    const keys = kept.split('\n').filter((line) => line.startsWith(prefix));
    // Two each: requests and failures.
    expect(keys.length).toBeGreaterThan(2 * callers.length);
    for (const ttl of await Promise.all(keys.map((key) => admin.pttl(key)))) {
      expect(ttl).not.toBe(-1);
      expect(ttl).toBeLessThanOrEqual(60_000);
    }
    for (const secret of ['10.1.', address, '203.0.113', '918273645', 'guess', KEYS.read])
      expect(kept).not.toContain(secret);
  }, 120_000);

  it('away: each process counts by itself at once, one line is logged, and the limit is shared again with it', async () => {
    const lines = (text: string) =>
      second
        .output()
        .split('\n')
        .filter((line) => line.includes(text));
    const before = [lines('in this process only').length, lines('does not answer').length];
    await redis.stop('SIGKILL');
    try {
      const began = performance.now();
      expect((await exhaust(() => ask(null))).admitted).toBe(LIMIT);
      const there = Array.from({ length: 2 * LIMIT }, () => second.ask(path(), null));
      const statuses = (await Promise.all(there)).map((a) => a.status);
      expect(statuses.filter((status) => status === 401).length).toBe(LIMIT);
      expect((await ask(null, { 'X-Forwarded-For': '192.0.2.210' })).status).toBe(401);
      expect(performance.now() - began).toBeLessThan(20_000);
      // What the other process logs is read some time after its answer.
      await until('it is logged', () => lines('does not answer').length > Number(before[1]));
      expect(lines('does not answer').length - Number(before[1])).toBe(1);
    } finally {
      await redis.start();
    }
    await limited();
    await until('that it is back, too', () => lines('in this process only').length > Number(before[0]) + 1);
    expect(lines('in this process only').length - Number(before[0])).toBe(2);
  });

  it('silent: a request waits a tenth of a second, and later ones not at all', async () => {
    patience.ms = 100;
    const auth = await jwt({ sub: '4006' });
    expect((await ask(auth)).status).toBe(404);
    const other = await jwt({ sub: '4009' });
    const before = await countings();
    const began = performance.now();
    process.kill(redis.pid(), 'SIGSTOP');
    try {
      for (let n = 0; n < 2 * LIMIT - 2; n++) {
        const asked = performance.now();
        expect((await ask(n % 2 ? auth : other)).status).toBe(404);
        if (n === 0) expect(performance.now() - asked).toBeGreaterThan(90);
        expect(performance.now() - asked).toBeLessThan(4_000);
      }
    } finally {
      process.kill(redis.pid(), 'SIGCONT');
    }
    // Three until it counted as away, then one a second: the others did not wait, nor stand in memory.
    const seconds = (performance.now() - began) / 1000;
    // On the connection of the API itself, so behind all that it had sent.
    await until('it has been told', async () => (await ask(null, {}, '/readyz')).body.status === 'ok');
    expect((await countings()) - before).toBeLessThanOrEqual(4 + seconds);
    await limited();
  });
});

describe('probes', () => {
  it('of any number of clients look at Postgres and Redis once a second', async () => {
    const commands = async () => Number(/total_commands_processed:(\d+)/.exec(await admin.info('stats'))?.[1] ?? 0);
    const began = performance.now();
    const before = await commands();
    const answers = await Promise.all(Array.from({ length: 400 }, () => ask(null, {}, '/readyz')));
    expect(new Set(answers.map((a) => a.body.status))).toEqual(new Set(['ok']));
    const seconds = Math.ceil((performance.now() - began) / 1000);
    // Two processes. One look tries each of the sixty commands that are needed; 400 looks would be 24,000.
    expect((await commands()) - before).toBeLessThan(300 + 300 * seconds);
  });
});
