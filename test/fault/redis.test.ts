import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RedisServer, startRedis } from '../../dev/redis.ts';
import { requestErasure } from '../../src/erasure/accept/request.ts';
import { hashPassword } from '../../src/http/sign-in/password.ts';
import { beginErasure } from '../../src/jobs/begin-erasure.ts';
import { createEnqueue } from '../../src/jobs/enqueue.ts';
import { reconcile } from '../../src/jobs/reconcile.ts';
import { startApi } from '../../src/main.ts';
import type { Resources } from '../../src/resources.ts';
import { board, cookieOf } from '../support/dashboard.ts';
import { checksum, expectErased, mails, rowsOf } from '../support/evidence.ts';
import { makeDue, notificationIn } from '../support/notifications.ts';
import { finishedChunks, stateOf } from '../support/progress.ts';
import { begin } from '../support/run-by-hand.ts';
import { subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { type Call, createWorld, KEYS, type World } from '../support/world.ts';

let redis: RedisServer;
let admin: Redis;
let world: World;
let domain: Resources;
let call: Call & { base: string };

beforeAll(async () => {
  redis = await startRedis();
  admin = new Redis(redis.url, { maxRetriesPerRequest: null });
  admin.on('error', () => {});
  world = await createWorld({
    redisUrl: redis.url,
    env: {
      LETHE_CHUNK_ROWS: '1000',
      LETHE_SLICE_TIME: '10ms',
      LETHE_GLOBAL_CONCURRENCY: '2',
      // Two chunks at once: what is lost with Redis is a window that runs.
      LETHE_PACE: 'full',
      LETHE_DASHBOARD_USERS: `sue=support=${await hashPassword('a long password')}`,
    },
  });
  domain = await world.domain();
  call = await world.api();
  await world.worker();
});
afterAll(async () => {
  await world.close();
  admin.disconnect();
  await redis.destroy();
});

const state = (id: string) => stateOf(world.sql, id);
const finished = (id: string) => finishedChunks(world.sql, id);

async function victimOf(posts: number) {
  const { account: victim, bystander, before, sum } = await subject(world.sql, posts, 30);
  const expectDone = async (id: string) => {
    await until('the erasure is completed', async () => (await state(id)) === 'completed', 90_000);
    await expectErased(world.sql, victim, id, before);
    expect(await checksum(world.sql, bystander)).toBe(sum);
  };
  return { victim, expectDone };
}

describe('Redis only delivers', () => {
  it('FLUSHALL in the middle of an erasure: jobs, scheduler and limit come back', async () => {
    const { victim, expectDone } = await victimOf(60_000);
    const { body } = await call('POST', `/v1/accounts/${victim}/erasure`, { body: { startNow: true } });
    const id = String(body.id);
    for (const share of [2, 10, 20]) {
      await until('chunks are finished', async () => (await finished(id)) >= share);
      await admin.flushall();
    }
    await until('scheduler and limit are back', async () => {
      const prefix = world.env.LETHE_REDIS_PREFIX;
      const scheduler = await admin.zcard(`${prefix}:housekeeping:repeat`);
      const limit = await admin.hget(`${prefix}:chunks:meta`, 'concurrency');
      return scheduler === 1 && limit === '2';
    });
    await expectDone(id);
  }, 120_000);

  it('a request while Redis is away is accepted within a second, and starts when Redis is back', async () => {
    const large = await victimOf(3_000);
    const small = await victimOf(50);
    await redis.stop('SIGKILL');
    const asked = performance.now();
    const first = await call('POST', `/v1/accounts/${large.victim}/erasure`, { body: { startNow: true } });
    expect(performance.now() - asked).toBeLessThan(3_000);
    expect(first.status).toBe(202);
    expect((await rowsOf(world.sql, large.victim)).sessions).toBe(0);
    const second = await call('POST', `/v1/accounts/${small.victim}/erasure`, { body: {} });
    expect(second.status).toBe(200);
    const ready = await call('GET', '/readyz', { auth: null });
    expect(ready.status).toBe(200);
    expect(ready.body).toMatchObject({ status: 'degraded', redis: 'away' });
    const cookie = await cookieOf(call, 'sue', 'a long password');
    const queues = await board(call, cookie)('GET', '/api/queues');
    expect(queues.status).toBe(503);
    expect(queues.body).toMatchObject({ code: 'redis_unavailable' });
    await redis.start();
    await large.expectDone(String(first.body.id));
    await small.expectDone(String(second.body.id));
    // Three mails: received and completed for the large account, completed for the small one.
    await until(
      'the mails are sent',
      async () => {
        const [row] =
          await world.sql`SELECT count(*)::int AS n FROM lethe.notification WHERE state = 'sent' AND erasure_id IN ${world.sql([String(first.body.id), String(second.body.id)])}`;
        return row?.n === 3;
      },
      60_000,
    );
    await until(
      'redis is no longer reported away',
      async () => (await call('GET', '/readyz', { auth: null })).body.status === 'ok',
    );
  }, 120_000);

  it('a mail that reconcile could not put into Redis is due again at once, and sent when Redis is back', async () => {
    const { victim, expectDone } = await victimOf(50);
    const { ctx, producers } = domain;
    const enqueue = createEnqueue(producers, ctx.log);
    await redis.stop('SIGKILL');
    const { body } = await call('POST', `/v1/accounts/${victim}/erasure`, { body: {} });
    const id = String(body.id);
    const { id: mail } = await notificationIn(world.sql, id, 'completed', 'pending');
    await makeDue(world.sql, mail);
    const done = await reconcile({ ctx, put: enqueue.put, isLive: async () => true });
    expect(done).toMatchObject({ mails: 0 });
    const [due] = await world.sql`SELECT next_at <= now() AS now FROM lethe.notification WHERE id = ${mail}`;
    expect(due).toEqual({ now: true });
    await redis.start();
    await expectDone(id);
    expect(await notificationIn(world.sql, id, 'completed', 'sent', 60_000)).toMatchObject({ attempt: 1 });
  }, 120_000);

  it('SCRIPT FLUSH fails one window, and not each one until the process is started again', async () => {
    const { ctx, producers } = await world.domain();
    const enqueue = createEnqueue(producers, ctx.log);
    const window = async (step: number) => {
      const erasureId = '01900000-0000-7000-8000-000000000002';
      const jobId = `${erasureId}_${step}`;
      const words = { location: 'posts', pass: 1, range: 1, rows: 1 };
      const chunks = [{ id: 1, jobId: `${jobId}_1`, priority: 1, delayMs: 0, ...words }];
      await enqueue.dispatch({ erasureId, step, jobId, delayMs: 0, chunks });
      return Boolean(await producers.queues.erasures.getJob(jobId));
    };
    await until('Redis is there', () => producers.redis.status === 'ready');
    expect(await window(1)).toBe(true);
    await admin.script('FLUSH');
    // It fails, and the connection is made anew.
    await window(2).catch(() => false);
    await until('a window reaches Redis', () => producers.redis.status === 'ready' && window(3));
  });

  it('a step that a wrong clock has put off for hours is sent out again', async () => {
    const { victim, expectDone } = await victimOf(2_000);
    const { ctx, producers } = domain;
    const erasureId = await begin(ctx, victim);
    const [row] = await world.sql`SELECT step, job_id FROM lethe.erasure WHERE id = ${erasureId}`;
    const step = { erasureId, step: row?.step };
    await producers.queues.erasures.add('erasure.advance', step, { jobId: row?.job_id, delay: 2 * 3_600_000 });
    await expectDone(erasureId);
  }, 120_000);

  it('a mail that waits in its queue gets no second job', async () => {
    const { ctx, producers } = domain;
    const enqueue = createEnqueue(producers, ctx.log);
    await until('Redis is back', () => producers.redis.status === 'ready');
    const mail = '01900000-0000-7000-8000-000000000001';
    await producers.queues.mail.pause();
    try {
      expect([await enqueue.mail(mail), await enqueue.mail(mail)]).toEqual([true, true]);
      const jobs = await producers.queues.mail.getJobs();
      expect(jobs.filter((job) => job.data.notificationId === mail)).toHaveLength(1);
    } finally {
      await producers.queues.mail.resume();
    }
    await until('it has run', async () => (await producers.queues.mail.getJobCountByTypes('waiting', 'active')) === 0);
    expect(await enqueue.mail(mail)).toBe(true);
    await until('another has run', async () => {
      const jobs = await producers.queues.mail.getJobs(['completed']);
      return jobs.filter((job) => job.data.notificationId === mail).length === 2;
    });
  });

  it('a request waits for no answer of Redis', async () => {
    const { victim, expectDone } = await victimOf(2_000);
    const never = () => new Promise<never>(() => {});
    const silent = {
      dispatch: never,
      mail: never,
      revokeTokens: never,
      acknowledge: never,
      put: never,
      settled: never,
    };
    const accepted = await requestErasure(domain.ctx, { accountKey: [victim], requestedBy: 'test' });
    const { id, state } = await beginErasure(domain.ctx, silent, accepted, { by: 'test', startNow: true });
    expect(state).toBe('running');
    await expectDone(id);
  }, 120_000);

  it('a stop of the API waits for what its requests have asked of Redis', async () => {
    const { victim, expectDone } = await victimOf(2_000);
    const api = await startApi(world.config('api'));
    const base = `http://127.0.0.1:${api.port}`;
    let stopped = false;
    // Not yet connected it would give up at once.
    await until('it reaches Redis', async () =>
      (await (await fetch(`${base}/readyz`)).text()).includes('"redis":"ok"'),
    );
    process.kill(redis.pid(), 'SIGSTOP');
    try {
      const asked = await fetch(`${base}/v1/accounts/${victim}/erasure`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${KEYS.write}`, 'Content-Type': 'application/json' },
        body: JSON.stringify({ startNow: true }),
      });
      expect(asked.status).toBe(202);
      const stop = api.stop().then(() => {
        stopped = true;
      });
      await pause(300);
      expect(stopped).toBe(false);
      process.kill(redis.pid(), 'SIGCONT');
      await stop;
      await expectDone(((await asked.json()) as { id: string }).id);
    } finally {
      process.kill(redis.pid(), 'SIGCONT');
    }
  }, 120_000);

  it('a half-open Redis does not hold the caller', async () => {
    const { victim, expectDone } = await victimOf(2_000);
    process.kill(redis.pid(), 'SIGSTOP');
    try {
      const asked = performance.now();
      const { status, body } = await call('POST', `/v1/accounts/${victim}/erasure`, { body: { startNow: true } });
      expect(performance.now() - asked).toBeLessThan(1_500);
      expect(status).toBe(202);
      process.kill(redis.pid(), 'SIGCONT');
      await expectDone(String(body.id));
    } finally {
      process.kill(redis.pid(), 'SIGCONT');
    }
  }, 120_000);

  it('no mail was sent twice in all this', async () => {
    const sent = (await mails(world.outbox)).map((m) => `${m.to} ${m.subject}`);
    expect(new Set(sent).size).toBe(sent.length);
    expect(sent.length).toBeGreaterThan(4);
  });
});
