import { setTimeout as pause } from 'node:timers/promises';
import postgres from 'postgres';
import type { PostgresServer } from '../dev/postgres.ts';
import { startRedis } from '../dev/redis.ts';
import type { Contender } from './contenders.ts';
import { accountsLike, copyDatabase, withSql } from './database.ts';
import { during, now, startProbing } from './probing.ts';

export type Run = {
  seconds: number;
  rows: number;
  /** Latencies of the application's traffic meanwhile, in ms. */
  latencies: number[];
  walBytes: number;
  /** MiB, where the contender has a worker, and where it uses Redis. */
  workerMemory: number | null;
  redisMemory: number | null;
  own: Record<string, number>;
};

/** Traffic before the clock starts: caches and plans settle. */
const WARM_MS = 1_500;

/** One contender erases `victim` on a fresh copy of `template` while the application goes on. */
export async function measure(
  server: PostgresServer,
  template: string,
  victim: string,
  contender: Contender,
): Promise<Run> {
  const url = await copyDatabase(server, template, 'run');
  const redis = await startRedis({ durable: true });
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    const [account] = (await accountsLike(sql, `${victim}@`)) as [string];
    const rows = await countRows(sql, account, contender.scope);
    const ready = await contender.prepare({ sql, url, redis, account });
    const probing = await startProbing(url);
    await pause(WARM_MS);
    const walBefore = await walPosition(sql);
    const from = now();
    const own = await ready.erase();
    const to = now();
    const wal = (await walPosition(sql)) - walBefore;
    const samples = await probing.stop();
    const left = await countRows(sql, account, contender.scope);
    if (left > 0) throw new Error(`${contender.name} left ${left} rows behind`);
    const workerMemory = ready.memory?.() ?? null;
    const redisMemory = workerMemory === null ? null : await redis.peakMemory();
    await ready.stop?.();
    return {
      seconds: (to - from) / 1000,
      rows,
      latencies: during(samples, from, to),
      walBytes: wal,
      workerMemory,
      redisMemory,
      own,
    };
  } finally {
    await sql.end({ timeout: 5 });
    await redis.destroy();
    await withSql(server.url(), (admin) => admin.unsafe('DROP DATABASE IF EXISTS run WITH (FORCE)'));
  }
}

/** Latencies of the application's traffic alone, in ms. */
export async function measureIdle(server: PostgresServer, template: string, ms: number): Promise<number[]> {
  const url = await copyDatabase(server, template, 'run');
  const probing = await startProbing(url);
  await pause(WARM_MS);
  const from = now();
  await pause(ms);
  const to = now();
  return during(await probing.stop(), from, to);
}

async function countRows(sql: postgres.Sql, account: string, scope: Contender['scope']): Promise<number> {
  const [row] = await sql<{ n: number }[]>`
    SELECT (SELECT count(*)::int FROM posts WHERE account_id = ${account})
         + CASE WHEN ${scope === 'posts'} THEN 0 ELSE (SELECT count(*)::int FROM feeds WHERE account_id = ${account})
         + (SELECT count(*)::int FROM sessions WHERE account_id = ${account})
         + (SELECT count(*)::int FROM accounts WHERE id = ${account}) END AS n`;
  return row?.n ?? 0;
}

async function walPosition(sql: postgres.Sql): Promise<number> {
  const [row] = await sql<{ n: number }[]>`SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8 AS n`;
  return row?.n ?? 0;
}
