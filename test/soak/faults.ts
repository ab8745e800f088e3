import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { Sql } from 'postgres';
import type { RedisServer } from '../../dev/redis.ts';
import type { Deployment } from './deploy.ts';

type Under = { sql: Sql; redis: RedisServer; lethe: Deployment };
type Fault = { name: string; cause: (under: Under) => Promise<unknown>; early?: true };

export type Caused = { name: string; at: number };

/**
 * What goes wrong, in this order, again and again. Worker 1 is never ended, and the API only until half time: a leak
 * shows in a process that lives long. What ends them otherwise, their connections, meets both.
 */
const FAULTS: readonly Fault[] = [
  { name: 'kill -9 of a worker', cause: ({ lethe }) => lethe.process('worker-2').end('SIGKILL') },
  { name: 'kill -9 of the API', cause: ({ lethe }) => lethe.process('api').end('SIGKILL'), early: true },
  { name: 'Postgres sessions ended', cause: ({ sql }) => endSessions(sql) },
  { name: 'Redis flushed', cause: ({ redis }) => flush(redis) },
  { name: 'SIGTERM of a worker', cause: ({ lethe }) => lethe.process('worker-2').end('SIGTERM') },
  { name: 'Redis restarted, empty', cause: ({ redis }) => restart(redis) },
  { name: 'Postgres sessions ended', cause: ({ sql }) => endSessions(sql) },
  { name: 'SIGTERM of the API', cause: ({ lethe }) => lethe.process('api').end('SIGTERM'), early: true },
];

const endSessions = (sql: Sql) =>
  sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'lethe-%'`;

async function flush(server: RedisServer): Promise<void> {
  const redis = new Redis(server.url);
  await redis.flushall();
  redis.disconnect();
}

async function restart(redis: RedisServer): Promise<void> {
  await redis.stop('SIGKILL');
  await pause(500);
  await redis.start();
}

/** Causes a fault every few seconds until stopped; those of the API until `halfTime` (ms of `performance.now()`). */
export function startFaults(under: Under, everyMs: number, halfTime: number) {
  const stopping = new AbortController();
  const caused: Caused[] = [];
  const begun = performance.now();
  const running = (async () => {
    for (let n = 0; ; n++) {
      await pause(everyMs, undefined, { signal: stopping.signal }).catch(() => {});
      if (stopping.signal.aborted) return;
      const { name, cause, early } = FAULTS[n % FAULTS.length] as Fault;
      if (early && performance.now() > halfTime) continue;
      caused.push({ name, at: (performance.now() - begun) / 1000 });
      await cause(under);
    }
  })();
  // Looked at when it is stopped; until then nobody listens.
  running.catch(() => {});
  return {
    caused,
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}
