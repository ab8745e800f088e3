import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { Sql } from 'postgres';
import type { PostgresServer } from '../dev/postgres.ts';
import { sweepUp } from '../dev/reaper.ts';
import { type RedisServer, startRedis } from '../dev/redis.ts';
import { buildMessage } from '../src/partners/message.ts';
import { withDeployment } from './deployed.ts';
import { insertWaiting } from './partners.ts';
import { median } from './statistics.ts';

const STREAM = 'published';
const AT_ONCE = 1_000;
/** As many as a stream holds, so that nobody need read meanwhile. */
const EVENTS = 10_000;
const LIMIT_MS = 20 * 60_000;

/** Nobody stays connected: a client without a server would go on trying, and say so in the middle of the next part. */
async function emptied({ url }: RedisServer): Promise<void> {
  const redis = new Redis(url);
  await redis.flushall();
  redis.disconnect();
}

/** Events a second that pipelined `XADD` gets through by itself, of the same messages. */
async function measureBare(server: RedisServer): Promise<number> {
  const redis = new Redis(server.url);
  await redis.flushall();
  const said = { erasureId: '019a9f3e-5b7c-7d3a-9a55-0d6d3c1f2b10', location: STREAM, account: { id: '4711' } };
  const asking = { publicUrl: 'http://bench.test', tokenOf: () => `v1.${'t'.repeat(43)}` };
  const begun = performance.now();
  for (let sent = 0; sent < EVENTS; sent += AT_ONCE) {
    const pipeline = redis.pipeline();
    for (let n = 0; n < AT_ONCE; n++) {
      const id = `019a9f3e-5b7c-7d3a-9a55-${String(sent + n).padStart(12, '0')}`;
      const message = buildMessage({ ...said, id, requestedAt: new Date(), values: {}, keys: null }, asking);
      pipeline.xadd(STREAM, '*', 'id', id, 'partner', STREAM, 'event', JSON.stringify(message));
    }
    await pipeline.exec();
  }
  const seconds = (performance.now() - begun) / 1000;
  redis.disconnect();
  return EVENTS / seconds;
}

/** The environment of processes whose catalog has a partner that reads from this Redis. */
function withEvents(server: RedisServer): Record<string, string> {
  const folder = mkdtempSync(join(tmpdir(), 'lethe-bench-'));
  sweepUp(folder);
  const catalog = join(folder, 'catalog.yaml');
  const entry = `  - { partner: ${STREAM}, owner: bench, sla: 72h, event: { stream: ${STREAM}, ackTimeout: 30d } }\n`;
  writeFileSync(catalog, `${readFileSync('catalog.yaml', 'utf8')}${entry}`);
  return { LETHE_CATALOG: catalog, LETHE_EVENTS_URL: server.url, LETHE_PACE: 'full' };
}

const untilAccepted = async (sql: Sql, events: number) => {
  const end = performance.now() + LIMIT_MS;
  for (;;) {
    const [row] = await sql<{ left: number }[]>`
      SELECT count(*)::int AS left FROM lethe.call WHERE partner = ${STREAM} AND state = 'open'`;
    if (row?.left === 0) return;
    if (performance.now() > end) throw new Error(`${row?.left} of ${events} events are not published`);
    await pause(100);
  }
};

/** Seconds from the first take to the commit of the last mark. */
const secondsOf = async (sql: Sql): Promise<number> => {
  const [row] = await sql<{ seconds: number }[]>`
    SELECT extract(epoch FROM max(last_at) - min(asked_at))::float8 AS seconds FROM lethe.call WHERE partner = ${STREAM}`;
  return row?.seconds as number;
};

/** Events a second: of bare pipelined `XADD`, and of Lethe with each marked in Postgres, interleaved; medians. */
export async function measurePublishing(server: PostgresServer, rounds: number) {
  const redis = await startRedis();
  try {
    const [bare, ours]: [number[], number[]] = [[], []];
    await measureBare(redis);
    for (let n = 0; n < rounds; n++) {
      bare.push(await measureBare(redis));
      await emptied(redis);
      await withDeployment(server, 'partners', 0, withEvents(redis), async ({ sql, lethe }) => {
        await insertWaiting(sql, STREAM, 10, EVENTS / 10, 'event');
        await lethe.addWorker({});
        await untilAccepted(sql, EVENTS);
        ours.push(EVENTS / (await secondsOf(sql)));
      });
    }
    return { eventsPerSecond: median(ours), barePerSecond: median(bare) };
  } finally {
    await redis.destroy();
  }
}

/**
 * Publishes so many events again that nobody has acknowledged to Lethe, while a group reads them. `grownMiB`: of Redis at its
 * highest.
 */
export async function measureReplay(server: PostgresServer, events = 1_000_000) {
  const redis = await startRedis();
  const reader = new Redis(redis.url);
  try {
    return await withDeployment(server, 'partners', 0, withEvents(redis), async ({ sql, lethe }) => {
      await insertWaiting(sql, STREAM, 1_000, events / 1_000, 'event');
      await reader.xgroup('CREATE', STREAM, 'bench', '0', 'MKSTREAM');
      const before = await redis.peakMemory();
      await lethe.addWorker({});
      let read = 0;
      while (read < events) {
        const got = (await reader.xreadgroup(
          ...(['GROUP', 'bench', 'one', 'COUNT', 500, 'BLOCK', 5_000, 'STREAMS', STREAM, '>'] as const),
        )) as [string, [string, string[]][]][] | null;
        const ids = got?.[0]?.[1].map(([id]) => id) ?? [];
        read += ids.length;
        if (ids.length > 0) await reader.xack(STREAM, 'bench', ...ids);
      }
      await untilAccepted(sql, events);
      const seconds = await secondsOf(sql);
      return { events, perSecond: events / seconds, grownMiB: (await redis.peakMemory()) - before };
    });
  } finally {
    reader.disconnect();
    await redis.destroy();
  }
}
