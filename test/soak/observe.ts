import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { Sql } from 'postgres';
import type { RedisServer } from '../../dev/redis.ts';
import { QUEUES } from '../../src/jobs/redis/queues.ts';
import type { Deployment, Supervised } from './deploy.ts';
import type { Sample } from './series.ts';

type Under = { sql: Sql; redis: RedisServer; lethe: Deployment };

const PREFIX = '{lethe}';

/** Takes a sample every so often until stopped. */
export function startObserving(under: Under, everyMs: number) {
  const stopping = new AbortController();
  const samples: Sample[] = [];
  const begun = performance.now();
  const redis = new Redis(under.redis.url, {
    maxRetriesPerRequest: 1,
    commandTimeout: 2_000,
    retryStrategy: () => 200,
  });
  redis.on('error', () => {});
  const running = (async () => {
    while (!stopping.signal.aborted) {
      samples.push(await observe(under, redis, (performance.now() - begun) / 1000));
      await pause(everyMs, undefined, { signal: stopping.signal }).catch(() => {});
    }
  })();
  running.catch(() => {});
  return {
    samples,
    stop: async () => {
      stopping.abort();
      await running;
      redis.disconnect();
    },
  };
}

async function observe({ sql, lethe }: Under, redis: Redis, at: number): Promise<Sample> {
  const processes = lethe.processes.flatMap((one) => processOf(one) ?? []);
  const [sessions, tables, [erasures], inRedis] = await Promise.all([
    sql<{ name: string; n: number }[]>`SELECT application_name AS name, count(*)::int AS n FROM pg_stat_activity
      WHERE application_name LIKE 'lethe-%' GROUP BY 1`,
    sql<Sample['tables']>`SELECT relname AS name, n_live_tup::int AS live, n_dead_tup::int AS dead,
        (pg_total_relation_size(relid) / 1024)::int AS kilobytes
      FROM pg_stat_user_tables WHERE schemaname = 'lethe'`,
    sql<
      Sample['erasures'][]
    >`SELECT count(*)::int AS all, count(*) FILTER (WHERE state NOT IN ('completed', 'cancelled'))::int
      AS open FROM lethe.erasure`,
    redisNow(redis).catch(() => null),
  ]);
  return {
    at,
    processes,
    connections: Object.fromEntries(sessions.map(({ name, n }) => [name, n])),
    redis: inRedis?.redis ?? null,
    tables: [...tables],
    erasures: erasures ?? { all: 0, open: 0 },
    jobs: inRedis?.jobs ?? null,
  };
}

/** Undefined while it is being started again. */
function processOf({ name, pid, lives }: Supervised): Sample['processes'][number] | undefined {
  try {
    const status = readFileSync(`/proc/${pid()}/status`, 'utf8');
    const files = readdirSync(`/proc/${pid()}/fd`).length;
    const kilobytes = Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]);
    return Number.isNaN(kilobytes) ? undefined : { name, life: lives(), memory: kilobytes / 1024, files };
  } catch {
    return undefined;
  }
}

async function redisNow(redis: Redis): Promise<{ redis: NonNullable<Sample['redis']>; jobs: number }> {
  const keys = await redis.keys('*');
  const info = await redis.info();
  const number = (field: string) => Number(new RegExp(`^${field}:(\\d+)`, 'm').exec(info)?.[1]);
  let jobs = 0;
  const ended = new Set<string>();
  for (const queue of QUEUES) {
    const name = `${PREFIX}:${queue}`;
    for (const state of ['completed', 'failed'])
      for (const id of await redis.zrange(`${name}:${state}`, '0', '-1')) ended.add(`${name}:${id}`);
    for (const list of ['wait', 'active', 'paused']) jobs += await redis.llen(`${name}:${list}`);
    for (const set of ['prioritized', 'delayed', 'waiting-children']) jobs += await redis.zcard(`${name}:${set}`);
  }
  // What belongs to a job begins with its key: `{lethe}:chunks:<id>`, `{lethe}:erasures:<id>:processed`.
  const unfinished = keys.filter((key) => !ended.has(key.split(':').slice(0, 3).join(':'))).length;
  return {
    redis: {
      keys: keys.length,
      unfinished,
      clients: number('connected_clients'),
      megabytes: number('used_memory') / 2 ** 20,
    },
    jobs,
  };
}
