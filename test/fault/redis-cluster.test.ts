import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { patience } from '../../src/http/access/patience.ts';
import { hashPassword } from '../../src/http/sign-in/password.ts';
import { createEnqueue } from '../../src/jobs/enqueue.ts';
import type { Resources } from '../../src/resources.ts';
import { beginErasure } from '../support/begin-erasure.ts';
import { board, cookieOf } from '../support/dashboard.ts';
import { finishedChunks, stateOf, untilIdle } from '../support/progress.ts';
import { type RedisCluster, startRedisCluster } from '../support/redis-cluster.ts';
import { until } from '../support/until.ts';
import { type Call, createWorld, KEYS, type World } from '../support/world.ts';

let cluster: RedisCluster;
let world: World;
let call: Call & { base: string };
let workerMetrics: number;
let domain: Resources;

beforeAll(async () => {
  // What is counted exactly must not depend on a machine that is busy.
  patience.ms = 2_000;
  cluster = await startRedisCluster();
  world = await createWorld({
    redisUrl: cluster.url,
    env: {
      LETHE_CHUNK_ROWS: '1000',
      LETHE_SLICE_TIME: '10ms',
      LETHE_PACE: 'full',
      LETHE_DASHBOARD_USERS: `sue=support=${await hashPassword('a long password')}`,
    },
  });
  call = await world.api();
  domain = await world.domain();
  // Alone with a second port, so that it is the one that exports the gauges of the cluster.
  const worker = await world.worker({ LETHE_METRICS_PORT: '0' });
  workerMetrics = worker.metricsPort as number;
});
afterAll(async () => {
  await world?.close();
  await cluster?.destroy();
});

const finished = (id: string) => finishedChunks(world.sql, id);
const key = (name: string) => `${world.env.LETHE_REDIS_PREFIX}:${name}`;
const ready = async (port: number) => (await fetch(`http://127.0.0.1:${port}/readyz`)).json() as Promise<object>;

describe('Redis Cluster', () => {
  it('erases, with progress on the dashboard, and keeps all keys on the node of one slot', async () => {
    const { id, expectDone } = await beginErasure(world, call, 30_000);
    const cookie = await cookieOf(call, 'sue', 'a long password');
    const progress = await until('the dashboard shows progress', async () => {
      const { status, body } = await board(call, cookie)('GET', '/api/queues?activeQueue=erasures');
      expect(status).toBe(200);
      const queues = body.queues as { name: string; jobs: { data: object; progress: { rowsPlanned?: number } }[] }[];
      const jobs = queues.find((queue) => queue.name === 'erasures')?.jobs ?? [];
      return jobs.find((job) => JSON.stringify(job.data).includes(id) && job.progress.rowsPlanned)?.progress;
    });
    expect(progress).toMatchObject({ rowsPlanned: expect.any(Number), percent: expect.any(Number) });
    await expectDone();
    const keys = await cluster.keys();
    expect(keys.length).toBeGreaterThan(10);
    expect(keys.filter((name) => !name.startsWith(`${world.env.LETHE_REDIS_PREFIX}:`))).toEqual([]);
  }, 120_000);

  it('counts requests, reports readiness and exports the depths of the queues', async () => {
    const limited = await world.api({ LETHE_RATE_LIMIT: '3' });
    await until('it reaches the cluster', async () => (await limited('GET', '/readyz')).body.redis === 'ok');
    const statuses: number[] = [];
    for (let i = 0; i < 5; i++) {
      const { status } = await limited('GET', '/v1/erasures/01900000-0000-7000-8000-000000000000', {
        auth: `Bearer ${KEYS.read}`,
      });
      statuses.push(status);
    }
    expect(statuses).toEqual([404, 404, 404, 429, 429]);
    expect((await call('GET', '/readyz', { auth: null })).body).toMatchObject({ status: 'ok', redis: 'ok' });
    expect(await ready(workerMetrics)).toMatchObject({ status: 'ok', redis: 'ok', queues: 'ok' });
    await until('it exports the depths', async () => {
      const text = await (await fetch(`http://127.0.0.1:${workerMetrics}/metrics`)).text();
      return /lethe_queue_jobs\{queue="chunks",state="waiting"\} \d/.test(text);
    });
  }, 120_000);

  it('a slot that moves to another master, there and on, loses nothing', async () => {
    const { id, expectDone } = await beginErasure(world, call, 60_000);
    const owners = new Set([await cluster.ownerOf(key('erasures:meta'))]);
    for (const share of [2, 10, 20]) {
      await until('chunks are finished', async () => (await finished(id)) >= share, 60_000);
      expect(await stateOf(world.sql, id)).toBe('running');
      owners.add(await cluster.moveSlotOf(key('erasures:meta')));
    }
    expect(owners.size).toBe(3);
    await expectDone();
    await untilIdle(domain.producers);
  }, 300_000);

  it('a window is added at the first attempt, also on a node that was never asked before', async () => {
    const { ctx, producers } = domain;
    const enqueue = createEnqueue(producers, ctx.log);
    const erasureId = '01900000-0000-7000-8000-000000000001';
    await until('it reaches the cluster', () => producers.redis.status === 'ready');
    for (const jobId of ['here', 'there', 'elsewhere']) {
      await enqueue.dispatch({ erasureId, step: 1, jobId, delayMs: 3_600_000, chunks: [] });
      expect(await cluster.keys()).toContain(key(`erasures:${jobId}`));
      // A reply that belongs to another command would be worse than none.
      expect((await producers.queues.erasures.getJob(jobId))?.data).toEqual({ erasureId, step: 1 });
      expect(await producers.queues.erasures.getJobState(jobId)).toBe('delayed');
      await cluster.moveSlotOf(key('erasures:meta'));
    }
  }, 120_000);

  it('a master that dies with our keys and comes back without them loses nothing', async () => {
    const { id, expectDone } = await beginErasure(world, call, 60_000);
    await until('chunks are finished', async () => (await finished(id)) >= 3, 60_000);
    const owner = await cluster.ownerOf(key('erasures:meta'));
    await owner.stop('SIGKILL');
    expect(await stateOf(world.sql, id)).toBe('running');
    const asked = performance.now();
    const during = await beginErasure(world, call, 3_000);
    expect(performance.now() - asked).toBeLessThan(5_000);
    expect((await call('GET', '/readyz', { auth: null })).body).toMatchObject({ status: 'degraded', redis: 'away' });
    expect(await ready(workerMetrics)).toMatchObject({ status: 'unavailable', redis: 'away' });
    await owner.start();
    await expectDone();
    await during.expectDone();
    await untilIdle(domain.producers);
    await until(
      'redis is no longer reported away',
      async () => (await call('GET', '/readyz', { auth: null })).body.status === 'ok',
    );
    const scheduler = await until('the schedule is back', async () =>
      (await cluster.keys()).find((name) => name === key('housekeeping:repeat')),
    );
    expect(scheduler).toBeDefined();
  }, 300_000);

  it('a master that dies for good, whose place its replica takes, loses nothing', async () => {
    const owner = await cluster.ownerOf(key('erasures:meta'));
    const replica = await cluster.addReplicaOf(owner);
    const { id, expectDone } = await beginErasure(world, call, 60_000);
    await until('chunks are finished', async () => (await finished(id)) >= 3, 60_000);
    await owner.stop('SIGKILL');
    expect(await stateOf(world.sql, id)).toBe('running');
    await until('its replica has its slots', async () => {
      return (await cluster.ownerOf(key('erasures:meta'), replica)) === replica;
    });
    await expectDone();
    const after = await beginErasure(world, call, 3_000);
    await after.expectDone();
    await untilIdle(domain.producers);
    expect((await call('GET', '/readyz', { auth: null })).body).toMatchObject({ status: 'ok', redis: 'ok' });
  }, 300_000);
});
