import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type RedisServer, startRedis } from '../../dev/redis.ts';
import { patience } from '../../src/http/access/patience.ts';
import { hashPassword } from '../../src/http/sign-in/password.ts';
import { cookieOf, dump, signIn } from '../support/dashboard.ts';
import { expectProblem } from '../support/subject.ts';
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
  // Counts are exact only where Redis is waited for: on a busy machine a tenth of a second passes.
  patience.ms = 2_000;
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
beforeEach(async () => {
  address = `203.0.113.${++nextAddress}`;
  // All that fails here is of one name, which would become slow.
  for (const pattern of ['names', 'slow']) await waitedFor(pattern);
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

  it('from one address are at most a hundred an hour, whatever the names', async () => {
    await waitedFor('addresses');
    await fail(1, 'name-0');
    const [counted] = await admin.keys(`${world.env.LETHE_REDIS_PREFIX}:login:addresses:*`);
    await admin.incrby(String(counted), 97);
    await fail(1, 'name-1');
    await fail(1, 'name-2');
    expectToWait(await attempt('sue', PASSWORD), 3_500, 3_600);
    expect((await attempt('sue', PASSWORD, '192.0.2.50')).status).toBe(303);
  });

  it('count in all processes together, and parallel ones too', async () => {
    const other = await world.api();
    await reached(other);
    const statuses: number[] = [];
    for (let round = 0; round < FREE; round++) {
      const answers = await Promise.all([call, other].map((api) => attempt('sue', 'wrong', address, api)));
      statuses.push(...answers.map((a) => a.status));
    }
    expect(statuses.filter((status) => status === 401).length).toBe(FREE);
    for (const api of [call, other]) expectToWait(await attempt('sue', PASSWORD, address, api), 20, 30);
  });

  it('for one name close it for a /48 of addresses, and for no other', async () => {
    const from = (net: number, n: number) => `2001:db8:${net}:${(n * 0x100).toString(16)}::1`;
    for (let n = 0; n < 20; n++) await fail(1, 'sue', from(1, n));
    expectToWait(await attempt('sue', PASSWORD, from(1, 99)), 20, 30);
    expect((await attempt('sue', PASSWORD, from(2, 1))).status).toBe(303);
  });

  it('for one name close it for a /56 of addresses sooner', async () => {
    for (let n = 0; n < 10; n++) await fail(1, 'sue', `2001:db8:3:${n.toString(16)}::1`);
    expectToWait(await attempt('sue', PASSWORD, '2001:db8:3:ff::1'), 20, 30);
    expect((await attempt('sue', PASSWORD, '2001:db8:3:100::1')).status).toBe(303);
  });

  it('from everywhere make a name slow, and close it for nobody', async () => {
    expect((await attempt('sue', PASSWORD, '192.0.2.70')).status).toBe(303);
    await fail(1, 'sue', '192.0.2.71');
    const [counted] = await admin.keys(`${world.env.LETHE_REDIS_PREFIX}:login:names:*`);
    await admin.incrby(String(counted), 60);
    await fail(1, 'sue', '192.0.2.72');
    expectToWait(await attempt('sue', 'wrong', '192.0.2.73'), 0, 10);
    expectToWait(await attempt('sue', PASSWORD, '192.0.2.74'), 0, 10);
    // Who has signed in from there before does not wait, and others no longer than that.
    expect((await attempt('sue', PASSWORD, '192.0.2.70')).status).toBe(303);
    await waitedFor('slow');
    expect((await attempt('sue', PASSWORD, '192.0.2.74')).status).toBe(303);
  });

  it('leave neither name nor address in Redis, and nothing for ever', async () => {
    await fail(FREE);
    const kept = await dump(admin, `${world.env.LETHE_REDIS_PREFIX}:login:`);
    const keys = kept.split('\n').filter((line) => line.startsWith('{'));
    expect(keys.length).toBeGreaterThanOrEqual(3);
    // Some have ended meanwhile: -2. None stays: -1.
    for (const key of keys) expect(await admin.pttl(key)).not.toBe(-1);
    // By chance it stands in the middle of a digest.
    for (const secret of [/\bsue\b/, address, '203.0.113']) expect(kept).not.toMatch(secret);
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
    for (const secret of [address, 'typed', 'wrong', 'X-Forwarded-For']) expect(child.output()).not.toContain(secret);
  }, 120_000);
});

it('an address that a proxy tells and nobody trusts is logged once, without the address', async () => {
  const child = world.spawn(['api'], { LETHE_TRUSTED_PROXIES: '0' });
  const port = await until('it listens', () => /"port":(\d+)/.exec(child.output())?.[1], 50_000);
  const base = `http://127.0.0.1:${port}`;
  const told = () =>
    child
      .output()
      .split('\n')
      .filter((line) => line.includes('X-Forwarded-For is ignored: set LETHE_TRUSTED_PROXIES'));
  const wrong = (headers: Record<string, string>) =>
    fetch(`${base}/admin/login`, { method: 'POST', headers: { Origin: base, ...headers }, body: new FormData() });
  await until('it reaches Redis', async () => {
    const ready = (await (await fetch(`${base}/readyz`)).json()) as { status: string };
    return ready.status === 'ok';
  });
  const logged = () => child.output().split('dashboard sign-in failed').length - 1;
  await wrong({});
  await until('it is logged', () => logged() === 1);
  expect(told()).toEqual([]);
  for (let n = 2; n <= 3; n++) await wrong({ 'X-Forwarded-For': address });
  await until('all are logged', () => logged() === 3);
  expect(told().length).toBe(1);
  expect(JSON.parse(told()[0] as string).level).toBe(40);
  expect(child.output()).not.toContain(address);
}, 120_000);

describe('a flood of attempts', () => {
  /** Fifteen connections that try and try again while `meanwhile` runs. Returns the answers they got. */
  async function flood(once: () => Promise<Answer>, meanwhile: () => Promise<void>): Promise<Answer[]> {
    const answers: Answer[] = [];
    let over = false;
    const connections = Array.from({ length: 15 }, async () => {
      while (!over) answers.push(await once());
    });
    try {
      await until('it is on', () => answers.length > 60);
      await meanwhile();
    } finally {
      over = true;
      await Promise.all(connections);
    }
    return answers;
  }

  /** Sue signs in from elsewhere, each time from another address, and is let in. */
  async function signInOften() {
    for (let n = 0; n < 6; n++) {
      const answer = await attempt('sue', PASSWORD, `192.0.2.${100 + n}`);
      expect(answer.status).toBe(303);
      const Cookie = String(answer.headers.get('set-cookie')).split(';')[0] as string;
      // What only somebody signed in is told; the database is not asked.
      const page = await call('GET', '/admin/erasures/none', { auth: null, headers: { Cookie } });
      expect(page.status).toBe(404);
    }
  }

  it('from an address that has to wait stands in nobody’s way', async () => {
    await fail(FREE);
    const waits = await admin.keys(`${world.env.LETHE_REDIS_PREFIX}:login:waits:*`);
    await Promise.all(waits.map((key) => admin.expire(key, 3_600)));
    const answers = await flood(() => attempt('sue', 'wrong'), signInOften);
    // Nobody was told that the line is full: they never stood in it.
    for (const answer of answers) expectToWait(answer, 3_000, 3_600);
  }, 120_000);

  it('from an address that need not wait yet keeps nobody else out', async () => {
    let n = 0;
    const answers = await flood(() => attempt(`guess-${++n}`, 'wrong'), signInOften);
    expect(new Set(answers.map((a) => a.status))).toEqual(new Set([401, 429]));
  }, 120_000);

  it('from a /48 keeps nobody else out, though each attempt is of another address', async () => {
    let n = 0;
    const from = () => `2001:db8:40:${(++n % 0xffff).toString(16)}::1`;
    const answers = await flood(() => attempt(`guess-${n}`, 'wrong', from()), signInOften);
    expect(new Set(answers.map((a) => a.status))).toEqual(new Set([401, 429]));
  }, 120_000);

  it('from sixty addresses at once is taken one by one, most are refused, and the next honest one signs in', async () => {
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, n) => attempt(`guess-${n}`, 'wrong', `198.51.100.${n}`)),
    );
    const refused = answers.filter((a) => a.status === 429);
    for (const answer of refused) expectProblem(answer, 429, 'too_many_attempts');
    expect(Number(refused[0]?.headers.get('retry-after'))).toBeGreaterThan(0);
    const wrong = answers.filter((a) => a.status === 401).length;
    expect(wrong).toBeGreaterThanOrEqual(10);
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.length + wrong).toBe(60);
    expect((await attempt('sue', PASSWORD)).status).toBe(303);
  });
});

describe('without Redis', () => {
  beforeAll(() => {
    patience.ms = 100;
  });

  it.each<[string, () => Promise<void> | void, () => Promise<void> | void]>([
    ['stopped', () => redis.stop('SIGKILL'), () => redis.start()],
    ['silent', () => void process.kill(redis.pid(), 'SIGSTOP'), () => void process.kill(redis.pid(), 'SIGCONT')],
  ])('that is %s signing in works, and wrong passwords are counted all the same', async (_, stop, start) => {
    await stop();
    try {
      const began = performance.now();
      const answer = await attempt('sue', PASSWORD);
      expect([answer.status, answer.headers.get('location')]).toEqual([303, '/admin/erasures']);
      expect(performance.now() - began).toBeLessThan(5_000);
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
