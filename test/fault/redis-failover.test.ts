import { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { type RedisServer, startRedis } from '../../dev/redis.ts';
import { createEnqueue } from '../../src/jobs/enqueue.ts';
import { beginErasure, beginErasureOf } from '../support/begin-erasure.ts';
import { keep } from '../support/keep.ts';
import { finishedChunks, stateOf, untilIdle } from '../support/progress.ts';
import { MASTER, startSentinel } from '../support/sentinel.ts';
import { subject } from '../support/subject.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { until } from '../support/until.ts';
import { createWorld, type World } from '../support/world.ts';

const portOf = (server: RedisServer) => Number(new URL(server.url).port);

async function administer(server: RedisServer): Promise<Redis> {
  const redis = new Redis(server.url, { maxRetriesPerRequest: null });
  redis.on('error', () => {});
  return keep(redis, async () => redis.disconnect());
}

/** A master, and a replica that follows it on this port. */
async function startPair(followed?: number) {
  const master = keep(await startRedis(), (server) => server.destroy());
  const follow = ['--replicaof', '127.0.0.1', String(followed ?? portOf(master))];
  const replica = keep(await startRedis({ more: follow }), (server) => server.destroy());
  return { master, replica };
}

const follows = (replica: Redis) =>
  until('the replica follows', async () => /master_link_status:up/.test(await replica.info('replication')));

/** Lethe on this address, with small chunks so that there is much to lose. */
async function startLethe(redisUrl: string, more: Record<string, string> = {}) {
  const env = { LETHE_CHUNK_ROWS: '1000', LETHE_SLICE_TIME: '10ms', LETHE_PACE: 'full', ...more };
  const world = keep(await createWorld({ redisUrl, env }), (w) => w.close());
  const call = await world.api();
  await world.worker();
  return { world, call };
}

const jobOf = async (world: World, id: string) => {
  const [row] = await world.sql`SELECT job_id FROM lethe.erasure WHERE id = ${id}`;
  return `${world.env.LETHE_REDIS_PREFIX}:erasures:${row?.job_id}`;
};

describe('a failover of Redis', () => {
  it('to a replica that lacks the last writes: what was lost is created again, and counted once', async () => {
    const link = keep(await startTcpProxy(0), (proxy) => proxy.close());
    const { master, replica } = await startPair(link.port);
    link.pointAt(portOf(master));
    const address = keep(await startTcpProxy(portOf(master)), (proxy) => proxy.close());
    const [old, next] = [await administer(master), await administer(replica)];
    await follows(next);
    const { world, call } = await startLethe(`redis://127.0.0.1:${address.port}`);

    const second = await subject(world.sql, 30_000, 30);
    const known = await beginErasure(world, call, 60_000);
    await until('chunks are finished', async () => (await finishedChunks(world.sql, known.id)) >= 3);
    link.cut();
    const seen = await finishedChunks(world.sql, known.id);
    const lost = await beginErasureOf(world, call, second);
    const job = await until('its job is in Redis', async () => {
      const name = await jobOf(world, lost.id);
      return (await old.exists(name)) === 1 && name;
    });
    await until('more chunks are finished', async () => (await finishedChunks(world.sql, known.id)) > seen + 2);
    await master.stop('SIGKILL');
    address.cut();
    expect(await next.exists(job)).toBe(0);
    expect([await stateOf(world.sql, known.id), await stateOf(world.sql, lost.id)]).toEqual(['running', 'running']);
    await next.replicaof('NO', 'ONE');
    address.pointAt(portOf(replica));
    address.open();

    await known.expectDone();
    await lost.expectDone();
    await untilIdle((await world.domain()).producers);
  }, 300_000);

  it('with the former master still alive as a replica: old connections leave it', async () => {
    const { master, replica } = await startPair();
    const address = keep(await startTcpProxy(portOf(master)), (proxy) => proxy.close());
    const [old, next] = [await administer(master), await administer(replica)];
    await follows(next);
    const { world, call } = await startLethe(`redis://127.0.0.1:${address.port}`);
    const running = await beginErasure(world, call, 30_000);
    await until('chunks are finished', async () => (await finishedChunks(world.sql, running.id)) >= 3);
    address.pointAt(portOf(replica));
    await next.replicaof('NO', 'ONE');
    await old.replicaof('127.0.0.1', portOf(replica));
    const after = await beginErasure(world, call, 3_000);
    await running.expectDone();
    await after.expectDone();
    expect((await old.role())[0]).toBe('slave');
  }, 300_000);

  it('with the former master still alive: a process that only adds windows, in transactions, leaves it too', async () => {
    const { master, replica } = await startPair();
    const address = keep(await startTcpProxy(portOf(master)), (proxy) => proxy.close());
    const [old, next] = [await administer(master), await administer(replica)];
    await follows(next);
    const redisUrl = `redis://127.0.0.1:${address.port}`;
    const world = keep(await createWorld({ redisUrl }), (w) => w.close());
    const { ctx, producers } = await world.domain();
    const enqueue = createEnqueue(producers, ctx.log);
    const erasureId = '01900000-0000-7000-8000-000000000001';
    const add = async (jobId: string) => {
      await enqueue.dispatch({ erasureId, step: 1, jobId, delayMs: 0, chunks: [] });
      return (await next.exists(`${world.env.LETHE_REDIS_PREFIX}:erasures:${jobId}`)) === 1;
    };
    await until('a window is replicated', () => add('before'));
    address.pointAt(portOf(replica));
    await next.replicaof('NO', 'ONE');
    await old.replicaof('127.0.0.1', portOf(replica));
    expect(await add('first')).toBe(false);
    await until('a window reaches the new master', () => add('second'));
  }, 120_000);

  it('that Sentinel makes: the new master is found, and everything completes', async () => {
    const { master, replica } = await startPair();
    await follows(await administer(replica));
    const sentinel = keep(await startSentinel(master), (s) => s.destroy());
    const { world, call } = await startLethe(`redis+sentinel://127.0.0.1:${sentinel.port}/${MASTER}`);
    const running = await beginErasure(world, call, 60_000);
    await until('chunks are finished', async () => (await finishedChunks(world.sql, running.id)) >= 3);
    await master.stop('SIGKILL');
    const after = await beginErasure(world, call, 3_000);
    await running.expectDone();
    await after.expectDone();
    const [role] = await (await administer(replica)).role();
    expect(role).toBe('master');
    await until(
      'redis is no longer reported away',
      async () => (await call('GET', '/readyz', { auth: null })).body.status === 'ok',
    );
  }, 300_000);
});
