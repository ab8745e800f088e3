import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type RedisServer, startRedis } from '../../src/dev/redis.ts';
import { hashPassword } from '../../src/http/password.ts';
import { cookieOf, dump, signIn } from '../support/dashboard.ts';
import { until } from '../support/until.ts';
import { type Answer, type Call, createWorld, type World } from '../support/world.ts';

type Api = Call & { base: string };
const PASSWORD = 'a long password';
const FREE = 5;
let redis: RedisServer;
let admin: Redis;
let world: World;
let call: Api;
let nextAddress = 0;
let address: string;

beforeAll(async () => {
  redis = await startRedis();
  admin = new Redis(redis.url, { maxRetriesPerRequest: null });
  admin.on('error', () => {});
  world = await createWorld({
    redisUrl: redis.url,
    env: { LETHE_DASHBOARD_USERS: `sue=support=${await hashPassword(PASSWORD)}`, LETHE_TRUSTED_PROXIES: '1' },
  });
  call = await world.api();
  await reached(call);
});
afterAll(async () => {
  await world?.close();
  admin?.disconnect();
  await redis?.destroy();
});
beforeEach(() => {
  address = `203.0.113.${++nextAddress}`;
});

const reached = (api: Api) =>
  until('it has reached Redis', async () => (await api('GET', '/readyz')).body.status === 'ok');
const attempt = (name: string, password: string, from = address, api = call) =>
  signIn(api, name, password, { 'X-Forwarded-For': from });

async function fail(times: number, name = 'sue', from = address, api = call) {
  for (let n = 0; n < times; n++) expect((await attempt(name, `wrong ${n}`, from, api)).status).toBe(401);
}

/** The form again, with the time to wait, and nothing that says whether the password was right. */
function expectToWait(answer: Awaited<ReturnType<typeof attempt>>, least: number, most: number) {
  expect(answer.status).toBe(429);
  expect(answer.headers.get('content-type')).toContain('text/html');
  const seconds = Number(answer.headers.get('retry-after'));
  expect(seconds).toBeGreaterThan(least);
  expect(seconds).toBeLessThanOrEqual(most);
  expect(answer.body.text).toContain('role="alert"');
  expect(answer.body.text).toContain('Too many attempts');
  expect(answer.body.text).toContain('<form method="post"');
  expect(answer.headers.get('set-cookie')).toBeNull();
}

/** As if the time of these counters had passed. */
async function waitedFor(pattern: string) {
  const keys = await admin.keys(`${world.env.LETHE_REDIS_PREFIX}:login:${pattern}:*`);
  if (keys.length > 0) await admin.del(...keys);
  return keys.length;
}

describe('wrong passwords', () => {
  it('for one name close it for this address, the right password included', async () => {
    await fail(FREE);
    expectToWait(await attempt('sue', PASSWORD), 20, 30);
    expectToWait(await attempt('sue', 'wrong'), 20, 30);
  });

  it('never close it for its owner at another address', async () => {
    for (let n = 0; n < 3; n++) await fail(FREE, 'sue', `192.0.2.${n}`);
    expect((await attempt('sue', PASSWORD)).status).toBe(303);
  });

  it('cost a wait that doubles each time', async () => {
    await fail(FREE);
    for (const seconds of [30, 60, 120, 240]) {
      expectToWait(await attempt('sue', 'wrong'), seconds * 0.7, seconds);
      expect(await waitedFor('waits')).toBeGreaterThan(0);
      await fail(1);
    }
    expectToWait(await attempt('sue', 'wrong'), 400, 480);
    await waitedFor('waits');
    await waitedFor('failures');
  });

  it('are forgotten with the right one', async () => {
    await fail(FREE - 1);
    expect((await attempt('sue', PASSWORD)).status).toBe(303);
    await fail(FREE - 1);
    expect((await attempt('sue', PASSWORD)).status).toBe(303);
  });

  it('for a name that nobody has look the same', async () => {
    const unknown: Answer[] = [];
    const known: Answer[] = [];
    for (let n = 0; n <= FREE; n++) {
      unknown.push(await attempt('nobody', 'wrong'));
      known.push(await attempt('sue', 'wrong'));
    }
    const seen = (answers: Answer[]) => answers.map((a) => [a.status, String(a.body.text).replace(/\d+ sec/, 'n sec')]);
    expect(seen(unknown)).toEqual(seen(known));
    expect(unknown.at(-1)?.status).toBe(429);
  });

  it('from one address are at most a hundred a day, whatever the names', async () => {
    await waitedFor('addresses');
    await fail(1, 'name-0');
    const [counted] = await admin.keys(`${world.env.LETHE_REDIS_PREFIX}:login:addresses:*`);
    await admin.incrby(String(counted), 97);
    await fail(1, 'name-1');
    await fail(1, 'name-2');
    expectToWait(await attempt('sue', PASSWORD), 86_000, 86_400);
    expect((await attempt('sue', PASSWORD, '192.0.2.50')).status).toBe(303);
  });

  it('count in all processes together, and parallel ones too', async () => {
    const other = await world.api();
    await reached(other);
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, n) => attempt('sue', 'wrong', address, n % 2 ? call : other)),
    );
    expect(answers.filter((a) => a.status === 401).length).toBe(FREE);
    for (const api of [call, other]) expectToWait(await attempt('sue', PASSWORD, address, api), 20, 30);
  });

  it('leave neither name nor address in Redis, and nothing for ever', async () => {
    await fail(FREE);
    const kept = await dump(admin, `${world.env.LETHE_REDIS_PREFIX}:login:`);
    const keys = kept.split('\n').filter((line) => line.startsWith('{'));
    expect(keys.length).toBeGreaterThanOrEqual(3);
    for (const key of keys) expect(await admin.pttl(key)).toBeGreaterThan(0);
    for (const secret of ['sue', address, '203.0.113']) expect(kept).not.toContain(secret);
  });

  it('are logged with the user, without the address or what was typed', async () => {
    const child = world.spawn(['api']);
    const port = await until('it listens', () => /"port":(\d+)/.exec(child.output())?.[1], 50_000);
    const base = `http://127.0.0.1:${port}`;
    for (const name of ['sue', 'typed my password here']) {
      const status = await fetch(`${base}/admin/login`, {
        method: 'POST',
        headers: { Origin: base, 'X-Forwarded-For': address },
        body: new URLSearchParams({ name, password: 'wrong' }),
      });
      expect(status.status).toBe(401);
    }
    const lines = await until('both are logged', () => {
      const found = child
        .output()
        .split('\n')
        .filter((line) => line.includes('dashboard sign-in failed'));
      return found.length === 2 && found;
    });
    expect(JSON.parse(lines[0] as string)).toMatchObject({ user: 'sue', failures: 1 });
    expect(JSON.parse(lines[1] as string)).not.toHaveProperty('user');
    for (const secret of [address, 'typed', 'wrong']) expect(child.output()).not.toContain(secret);
  }, 90_000);
});

describe('without Redis', () => {
  it.each<[string, () => Promise<void> | void, () => Promise<void> | void]>([
    ['stopped', () => redis.stop('SIGKILL'), () => redis.start()],
    ['silent', () => void process.kill(redis.pid(), 'SIGSTOP'), () => void process.kill(redis.pid(), 'SIGCONT')],
  ])('that is %s signing in works, and wrong passwords are counted all the same', async (_, stop, start) => {
    await stop();
    try {
      const began = performance.now();
      const answer = await attempt('sue', PASSWORD);
      expect([answer.status, answer.headers.get('location')]).toEqual([303, '/admin/erasures']);
      expect(performance.now() - began).toBeLessThan(2_500);
      await fail(FREE);
      expectToWait(await attempt('sue', PASSWORD), 20, 30);
      expect((await attempt('sue', PASSWORD, '192.0.2.60')).status).toBe(303);
    } finally {
      await start();
    }
    await until('it is back', async () => (await call('GET', '/readyz')).body.status === 'ok');
  });
});

it('signing in leads to the erasures', async () => {
  expect(await cookieOf(call, 'sue', PASSWORD)).toContain('lethe_dashboard=');
});
