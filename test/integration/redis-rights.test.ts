import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stop } from '../../dev/process.ts';
import { type RedisServer, startRedis } from '../../dev/redis.ts';
import { hashPassword } from '../../src/http/sign-in/password.ts';
import { CALLS } from '../../src/jobs/redis/rights.ts';
import { board, cookieOf } from '../support/dashboard.ts';
import { checksum, expectErased } from '../support/evidence.ts';
import { stateOf } from '../support/progress.ts';
import { CLUSTER_PASSWORD, startRedisCluster } from '../support/redis-cluster.ts';
import { subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { createWorld, type World } from '../support/world.ts';

const PASSWORD = 'a long password';
let server: RedisServer;
let admin: Redis;
let world: World;
let users: string;

beforeAll(async () => {
  server = await startRedis();
  admin = new Redis(server.url);
  world = await createWorld({ redisUrl: server.url });
  users = `sue=support=${await hashPassword(PASSWORD)}`;
});
afterAll(async () => {
  await world?.close();
  admin?.disconnect();
  await server?.destroy();
});

const page = readFileSync('docs/operations.md', 'utf8');
const documented = [...page.matchAll(/^ACL SETUSER lethe (.*)$/gm)].map((m) => (m[1] as string).split(' '));

let made = 0;
/** A user of Redis with these rights, and the environment of a process that signs in as it. */
async function userWith(...rules: string[]) {
  const name = `user${++made}`;
  await set(name, 'on', '>secret', ...rules);
  return { name, env: { REDIS_URL: server.url.replace('://', `://${name}:secret@`), LETHE_METRICS_PORT: '0' } };
}
const set = (name: string, ...rules: string[]) => admin.call('ACL', 'SETUSER', name, ...rules);

const json = async (port: number, path: string) => {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(5_000) });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
};
/** A worker as a process of its own, once it listens. */
async function worker(env: Record<string, string>) {
  const process = world.spawn(['worker'], env);
  const port = await until('it listens', () => {
    if (process.child.exitCode !== null) throw new Error(process.output());
    return Number(/"metricsPort":(\d+)/.exec(process.output())?.[1]);
  });
  return { process, port };
}
/** Seconds of processor time that a process has used. */
async function cpuOf(port: number): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`, { signal: AbortSignal.timeout(5_000) })).text();
  return Number(/^lethe_process_cpu_seconds_total ([\d.]+)/m.exec(text)?.[1]);
}
/** Erases an account of 3,000 posts from the request to the mail, and looks at the pages that read the queues. */
async function expectWholeFlow(env: Record<string, string>) {
  const call = await world.api({ ...env, LETHE_RATE_LIMIT: '1000', LETHE_DASHBOARD_USERS: users });
  const { account, bystander, before, sum } = await subject(world.sql, 3_000);
  const { body } = await call('POST', `/v1/accounts/${account}/erasure`, { body: { startNow: true } });
  const id = String(body.id);
  await until('it is completed', async () => (await stateOf(world.sql, id)) === 'completed', 90_000);
  await expectErased(world.sql, account, id, before);
  expect(await checksum(world.sql, bystander)).toBe(sum);
  await until('its mails are sent', async () => {
    const rows = await world.sql`SELECT state FROM lethe.notification WHERE erasure_id = ${id}`;
    return rows.length === 2 && rows.every((row) => row.state === 'sent');
  });
  expect((await call('GET', '/readyz')).body).toMatchObject({ status: 'ok', redis: 'ok' });
  const cookie = await cookieOf(call, 'sue', PASSWORD);
  expect((await board(call, cookie)('GET', '/api/queues')).status).toBe(200);
  const list = await call('GET', '/admin/erasures', { auth: null, headers: { Cookie: cookie } });
  expect(String(list.body.text)).not.toContain('Redis cannot be reached');
}

describe('a user without what is dangerous, INFO and CLIENT LIST among it', () => {
  it('is enough: the worker lives, erases, and ends when it is told to', async () => {
    const { env } = await userWith('~*', '+@all', '-@dangerous');
    const { process, port } = await worker(env);
    expect(await json(port, '/healthz')).toMatchObject({ status: 200 });
    await until('it is ready', async () => (await json(port, '/readyz')).status === 200);
    await expectWholeFlow(env);
    const began = await cpuOf(port);
    const since = performance.now();
    await until('three seconds have passed', () => performance.now() - since > 3_000);
    expect((await cpuOf(port)) - began).toBeLessThan(1.5);
    await stop(process);
    expect(process.child.exitCode).toBe(0);
  });
});

describe('a user that lacks what is needed', () => {
  it.each([
    ['EVAL, EVALSHA', ['~*', '+@all', '-eval', '-evalsha']],
    ['BZPOPMIN', ['~*', '+@all', '-bzpopmin']],
    ['XADD', ['~*', '+@all', '-xadd']],
    ['HSET, ZADD', ['~*', '+@all', '-hset', '-zadd']],
    ['MULTI', ['~*', '+@all', '-multi']],
    ['EXEC', ['~*', '+@all', '-exec']],
    ['keys that begin with {', ['~other:*', '+@all']],
  ] as const)('%s is told at start in one line, by both roles', async (refused, rules) => {
    const { env } = await userWith(...rules);
    for (const role of ['worker', 'api']) {
      const process = world.spawn([role], env);
      expect(await process.exited, process.output()).toBe(2);
      const told = process
        .output()
        .split('\n')
        .filter((line) => line !== '' && !line.startsWith('{'));
      expect(told).toHaveLength(1);
      expect(told[0]).toMatch(/^lethe: REDIS_URL: Redis refuses this user /);
      expect(told[0]).toContain(refused);
      expect(told[0]).toContain('docs/operations.md');
    }
  });

  it('in a cluster: CLUSTER SLOTS is told at start, and what the documentation adds is enough', async () => {
    const cluster = await startRedisCluster();
    const more = (/needs the user on each node, and `([^`]+)`/.exec(page)?.[1] ?? '').split(' ');
    const rules = (documented[0] as string[]).map((rule) =>
      rule.replace('{lethe}', world.env.LETHE_REDIS_PREFIX as string),
    );
    for (const [name, also] of [
      ['lacks', []],
      ['has', more],
    ] as const)
      for (const node of cluster.nodes) {
        const redis = new Redis(node.url, { password: CLUSTER_PASSWORD });
        await redis.call('ACL', 'SETUSER', name, 'on', '>secret', ...rules.slice(2), ...also);
        redis.disconnect();
      }
    const as = (name: string) => ({ REDIS_URL: cluster.url.replace(/\/\/[^@]*@/, `//${name}:secret@`) });
    const refused = world.spawn(['worker'], as('lacks'));
    expect(await refused.exited, refused.output()).toBe(2);
    expect(refused.output()).toMatch(/^lethe: REDIS_URL: Redis refuses this user .*CLUSTER SLOTS/m);
    const { process, port } = await worker({ ...as('has'), LETHE_METRICS_PORT: '0' });
    await until('it is ready', async () => (await json(port, '/readyz')).status === 200);
    await stop(process);
    await cluster.destroy();
  });

  it('a wrong password is told at start', async () => {
    const { env } = await userWith('~*', '+@all');
    const process = world.spawn(['worker'], { ...env, REDIS_URL: env.REDIS_URL.replace('secret', 'wrong') });
    expect(await process.exited, process.output()).toBe(2);
    expect(process.output()).toMatch(/lethe: REDIS_URL: Redis refuses the user or password \(WRONGPASS\)/);
  });
});

it('tries every command that the scripts of BullMQ and of the counters call', () => {
  const folder = 'node_modules/bullmq/dist/esm/scripts';
  // Pausing a queue renames a list, and a relay is something else: neither is done here.
  const files = readdirSync(folder).filter((name) => /\.js$/.test(name) && !/^(relay|pause)/.test(name));
  const text = files.map((name) => readFileSync(join(folder, name), 'utf8')).join('\n');
  const counters = readFileSync('node_modules/rate-limiter-flexible/lib/RateLimiterRedis.js', 'utf8');
  const called = [...`${text}\n${counters}`.matchAll(/\b(?:rcall|redis\.p?call)\(\s*['"](\w+)['"]/g)].map((m) =>
    (m[1] as string).toUpperCase(),
  );
  expect(called.length).toBeGreaterThan(500);
  const tried = new Set(CALLS.map((call) => call.split(' ')[0]));
  expect([...new Set(called)].filter((name) => !tried.has(name))).toEqual([]);
});

describe('rights that are taken away while it runs', () => {
  it.each([
    ['EVALSHA', ['-eval', '-evalsha']],
    ['BZPOPMIN', ['-bzpopmin']],
    ['ZADD', ['-zadd']],
    ['INFO', ['-info']],
  ] as const)(
    '%s: no spin, one line that names it, not ready unless it is needless, and it ends',
    async (name, rules) => {
      const { name: user, env } = await userWith('~*', '+@all');
      const { process, port } = await worker(env);
      const { port: apiPort } = await (async () => {
        const api = world.spawn(['api'], env);
        return { port: await until('it listens', () => Number(/"port":(\d+)/.exec(api.output())?.[1])) };
      })();
      const ready = async () => (await json(port, '/readyz')).status === 200;
      await until('it is ready', ready);
      await set(user, ...rules);
      const needed = name !== 'INFO';
      if (needed) {
        await until('it is not ready', async () => !(await ready()));
        expect((await json(port, '/readyz')).body).toMatchObject({ status: 'unavailable', redis: 'refused' });
        // What is shared by all who ask may be a second old.
        const api = await until('the API says it', async () => {
          const found = await json(apiPort, '/readyz');
          return found.body.redis === 'refused' && found;
        });
        expect(api).toMatchObject({ status: 200, body: { status: 'degraded' } });
        await until('the log names it', () => process.output().includes('Redis refuses commands'), 20_000);
      }
      const began = await cpuOf(port);
      const since = performance.now();
      await until('four seconds have passed', () => performance.now() - since > 4_000);
      expect((await cpuOf(port)) - began).toBeLessThan(2);
      expect(await json(port, '/healthz')).toMatchObject({ status: 200 });
      const lines = process
        .output()
        .split('\n')
        .filter((line) => line.includes('Redis refuses commands'));
      expect(lines).toHaveLength(needed ? 1 : 0);
      if (needed) expect(lines[0]).toContain(name);
      if (name === 'ZADD') {
        await set(user, '+@all');
        await until('it is ready again', ready);
      }
      const told = performance.now();
      await stop(process);
      expect(performance.now() - told).toBeLessThan(8_000);
      expect(process.child.exitCode).toBe(0);
    },
  );
});

describe('the user that the documentation says', () => {
  it('is given, and one with what the pages show besides', () => {
    expect(documented.length).toBe(2);
  });

  it.each(documented.map((rules) => [rules.join(' '), rules] as const))('runs the whole flow: %s', async (_, rules) => {
    const prefix = world.env.LETHE_REDIS_PREFIX as string;
    const own = rules.map((rule) => rule.replace('{lethe}', prefix).replace('>change-me', '>secret'));
    expect(own.join(' ')).toContain(`~${prefix}*`);
    const { env } = await userWith(...own);
    const { process, port } = await worker(env);
    await until('it is ready', async () => (await json(port, '/readyz')).status === 200);
    await expectWholeFlow(env);
    await stop(process);
    expect(process.child.exitCode).toBe(0);
  });
});
