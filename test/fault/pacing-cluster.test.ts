import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type RedisServer, startRedis } from '../../dev/redis.ts';
import { expectErased } from '../support/evidence.ts';
import { paceIn, sliceRows, untilRecovered } from '../support/pace.ts';
import { stateOf } from '../support/progress.ts';
import { accepted, subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { type Call, createWorld, type World } from '../support/world.ts';

let redis: RedisServer;
let admin: Redis;
let world: World;
let call: Call;

beforeAll(async () => {
  redis = await startRedis();
  admin = new Redis(redis.url, { maxRetriesPerRequest: null });
  world = await createWorld({ redisUrl: redis.url, env: { LETHE_GLOBAL_CONCURRENCY: '4', LETHE_PACE: 'gentle' } });
  call = await world.api();
});
afterAll(async () => {
  await world?.close();
  admin?.disconnect();
  await redis?.destroy();
});

const limit = () => admin.hget(`${world.env.LETHE_REDIS_PREFIX}:chunks:meta`, 'concurrency');
const holder = async () =>
  (await world.sql`SELECT holder FROM lethe.duty WHERE name = 'pace' AND held_until > now()`)[0]?.holder as
    | string
    | undefined;

it('one of two workers decides, both obey; killed, the other follows within 20 seconds', async () => {
  const workers = [world.spawn(['worker']), world.spawn(['worker'])];
  const first = await until('one has the duty', holder, 60_000);
  await untilRecovered(world.sql);
  // Redis is told after Postgres.
  await until('the limit is set', async () => (await limit()) === '1');
  // For two leases nobody else had it.
  const since = performance.now();
  await until('it keeps it', async () => {
    expect(await holder()).toBe(first);
    return performance.now() - since > 6_000;
  });
  const { account, before } = await subject(world.sql, 40_000, 3);
  const { id } = await accepted(call, account, { body: { startNow: true } });
  expect(Math.max(...(await sliceRows(world.sql, id, 4)))).toBeLessThanOrEqual(500);
  const holding = workers.find((w) => first.includes(`-${w.pid}-`));
  holding?.child.kill('SIGKILL');
  await holding?.exited;
  const killed = performance.now();
  const second = await until(
    'another has the duty',
    async () => {
      const now = await holder();
      return now !== first && now;
    },
    40_000,
  );
  const followed = performance.now() - killed;
  expect(followed).toBeLessThan(20_000);
  expect(workers.some((w) => second.includes(`-${w.pid}-`))).toBe(true);
  const { sampledAt } = (await paceIn(world.sql)) ?? { sampledAt: new Date(0) };
  await until('it samples', async () => ((await paceIn(world.sql))?.sampledAt ?? 0) > sampledAt);
  await until('it is completed', async () => (await stateOf(world.sql, id)) === 'completed', 90_000);
  await expectErased(world.sql, account, id, before);
  if (process.env.TEST_FIGURES) console.log('takeover', { followed });
  for (const worker of workers) worker.child.kill('SIGTERM');
  expect(await Promise.all(workers.map((w) => w.exited))).toContain(0);
}, 180_000);

it('after FLUSHALL the limit is what the pace says, also while nobody decides', async () => {
  await world.worker();
  await until('the limit is set', async () => (await limit()) === '1');
  await admin.flushall();
  await until('it is back', async () => (await limit()) === '1', 10_000);
  // Another process has the duty, and says three.
  await world.sql`UPDATE lethe.duty SET holder = 'test', held_until = now() + interval '1 hour' WHERE name = 'pace'`;
  await world.sql`UPDATE lethe.pace SET slots = 3, step = 0, sampled_at = now() + interval '1 hour'`;
  await until('reconcile sets what the table says', async () => (await limit()) === '3');
  await admin.flushall();
  await until('it is back', async () => (await limit()) === '3');
  // Stale: the process's own pace counts again.
  await world.sql`UPDATE lethe.pace SET sampled_at = now() - interval '61 seconds'`;
  await until('the row counts for nothing', async () => (await limit()) === '1');
}, 120_000);
