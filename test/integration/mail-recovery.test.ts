import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type RedisServer, startRedis } from '../../dev/redis.ts';
import type { Resources } from '../../src/resources.ts';
import { checksum, expectErased, rowsOf } from '../support/evidence.ts';
import { addressOf, findNotification, mailEvents, makeDue, notificationIn } from '../support/notifications.ts';
import { type ResendServer, startResend } from '../support/resend-server.ts';
import { isFlagged, LARGE, SMALL, subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { type Call, createWorld, type World } from '../support/world.ts';

let redisServer: RedisServer;
let redis: Redis;
let server: ResendServer;
let world: World;
let call: Call;
let queues: Resources['producers']['queues'];

beforeAll(async () => {
  redisServer = await startRedis();
  redis = new Redis(redisServer.url);
});
afterAll(async () => {
  redis.disconnect();
  await redisServer.destroy();
});
beforeEach(async () => {
  server = await startResend();
  world = await createWorld({ env: server.env, redisUrl: redisServer.url });
  queues = (await world.domain()).producers.queues;
  call = await world.api();
});
afterEach(async () => {
  await world.close();
  await server.close();
});

const waiting = (notificationId: string) =>
  until('its job waits', async () =>
    (await queues.mail.getJobs(['waiting'])).find((job) => job.data.notificationId === notificationId),
  );

describe('Redis flushed before the job ran', () => {
  it('delays the mail: reconcile makes the job again, and it is sent once', async () => {
    const { account, bystander, email, before, sum } = await subject(world.sql, SMALL);
    const erasureId = String((await call('POST', `/v1/accounts/${account}/erasure`, { body: {} })).body.id);
    const pending = await notificationIn(world.sql, erasureId, 'completed', 'pending');
    await waiting(pending.id);
    await redis.flushall();
    expect(await redis.dbsize()).toBe(0);
    expect(pending.next_at.getTime()).toBeGreaterThan(Date.now());
    await makeDue(world.sql, pending.id);
    await world.worker();
    expect(await notificationIn(world.sql, erasureId, 'completed', 'sent')).toMatchObject({ attempt: 1 });
    expect(server.deliveredTo(email)).toHaveLength(1);
    expect(await addressOf(world.sql, erasureId)).toBeNull();
    await expectErased(world.sql, account, erasureId, before);
    expect(await checksum(world.sql, bystander)).toBe(sum);
  });
});

describe('a worker killed between the provider’s answer and the commit', () => {
  it('leaves an attempt that another worker repeats with the same key: one mail', async () => {
    const { account, email, before } = await subject(world.sql, SMALL);
    server.fail('silence', { afterDelivery: true });
    const first = world.spawn(['worker']);
    const erasureId = String((await call('POST', `/v1/accounts/${account}/erasure`, { body: {} })).body.id);
    await until('the mail has left', () => server.deliveredTo(email).length === 1);
    first.child.kill('SIGKILL');
    await first.exited;
    const left = await findNotification(world.sql, erasureId, 'completed');
    expect(left).toMatchObject({ state: 'pending', attempt: 1, provider_id: null, unknown_since: expect.any(Date) });
    expect(await addressOf(world.sql, erasureId)).toBe(email);
    const [soon] = await world.sql`
      SELECT next_at <= now() + interval '1 minute' AS soon FROM lethe.notification WHERE id = ${String(left?.id)}`;
    expect(soon).toEqual({ soon: true });

    await makeDue(world.sql, String(left?.id));
    await world.worker();
    const sent = await notificationIn(world.sql, erasureId, 'completed', 'sent');
    const [mail, ...more] = server.deliveredTo(email);
    expect(more).toEqual([]);
    expect(sent).toMatchObject({ attempt: 2, provider_id: mail?.id });
    const [one, two] = server.requestsFor(email);
    expect(two).toEqual(one);
    expect(await addressOf(world.sql, erasureId)).toBeNull();
    await expectErased(world.sql, account, erasureId, before);
  });
});

describe('two workers with a job each for the same mail', () => {
  it('send it once and record it once', async () => {
    const { account, email } = await subject(world.sql, SMALL);
    const release = server.hold();
    const erasureId = String((await call('POST', `/v1/accounts/${account}/erasure`, { body: {} })).body.id);
    const pending = await notificationIn(world.sql, erasureId, 'completed', 'pending');
    await waiting(pending.id);
    const second = await queues.mail.add('mail.send', { notificationId: pending.id }, { attempts: 6, backoff: 500 });
    await Promise.all([world.worker(), world.worker()]);
    await until('both have asked', () => server.requestsFor(email).length >= 2);
    release();
    const sent = await notificationIn(world.sql, erasureId, 'completed', 'sent');
    await until('the second job has ended', () => second.isCompleted());
    const [mail, ...more] = server.deliveredTo(email);
    expect(more).toEqual([]);
    expect(sent).toMatchObject({ provider_id: mail?.id, outcome: null });
    expect(await mailEvents(world.sql, erasureId)).toMatchObject([{ type: 'mail.sent' }]);
    expect(await findNotification(world.sql, erasureId, 'completed')).toMatchObject({ state: 'sent', outcome: null });
  });
});

describe('the last mail while the first is under way', () => {
  it('waits for it, so that both are sent and recorded, in order', async () => {
    const { account, email } = await subject(world.sql, LARGE);
    const release = server.hold();
    await world.worker();
    const body = { startNow: true };
    const erasureId = String((await call('POST', `/v1/accounts/${account}/erasure`, { body })).body.id);
    const last = await notificationIn(world.sql, erasureId, 'completed', 'pending');
    await until('its job has been tried', async () =>
      (await queues.mail.getJobs()).find((job) => job?.data.notificationId === last.id && job.attemptsMade > 0),
    );
    expect(server.requestsFor(email)).toHaveLength(1);
    release();
    await notificationIn(world.sql, erasureId, 'completed', 'sent');
    expect(await mailEvents(world.sql, erasureId)).toMatchObject([
      { type: 'mail.sent', data: { kind: 'received' } },
      { type: 'mail.sent', data: { kind: 'completed' } },
    ]);
    expect(server.deliveredTo(email)).toHaveLength(2);
    expect(await addressOf(world.sql, erasureId)).toBeNull();
  });
});

describe('an undo', () => {
  it.each(['before the first attempt', 'after a deferred attempt'])(
    '%s skips the mail and forgets the address',
    async (when) => {
      const { account, bystander, email, before, sum } = await subject(world.sql, LARGE);
      if (when !== 'before the first attempt') {
        server.fail('daily_quota_exceeded');
        await world.worker();
      }
      const erasureId = String((await call('POST', `/v1/accounts/${account}/erasure`, { body: {} })).body.id);
      const pending = await notificationIn(world.sql, erasureId, 'received', 'pending');
      const job = await until('its job is there', async () =>
        (await queues.mail.getJobs()).find((j) => j?.data.notificationId === pending.id),
      );
      if (when !== 'before the first attempt') {
        await until('the attempt is deferred', async () => {
          const row = await findNotification(world.sql, erasureId, 'received');
          return row?.outcome === 'daily_quota_exceeded';
        });
      }
      const requests = server.requestsFor(email).length;
      expect(await addressOf(world.sql, erasureId)).toBe(email);
      expect(await isFlagged(world.sql, account)).toBe(true);

      expect((await call('DELETE', `/v1/erasures/${erasureId}`)).body.state).toBe('cancelled');
      expect(await findNotification(world.sql, erasureId, 'received')).toMatchObject({ state: 'skipped' });
      expect(await mailEvents(world.sql, erasureId)).toEqual([{ type: 'mail.skipped', data: { kind: 'received' } }]);
      expect(await addressOf(world.sql, erasureId)).toBeNull();

      await makeDue(world.sql, pending.id);
      await world.worker();
      const late = await queues.mail.add('mail.send', { notificationId: pending.id });
      await until('the jobs have run', async () => (await late.isCompleted()) && (await job.isCompleted()));
      expect(server.requestsFor(email)).toHaveLength(requests);
      expect(server.deliveredTo(email)).toEqual([]);
      expect(await rowsOf(world.sql, account)).toEqual({ ...before, sessions: 0 });
      expect(await isFlagged(world.sql, account)).toBe(false);
      expect(await checksum(world.sql, bystander)).toBe(sum);
    },
  );
});

describe('a job that a process with a wrong clock has put off for hours', () => {
  it('does not keep the mail: reconcile adds another, and it is sent once', async () => {
    const { account, email } = await subject(world.sql, SMALL);
    const erasureId = String((await call('POST', `/v1/accounts/${account}/erasure`, { body: {} })).body.id);
    const pending = await notificationIn(world.sql, erasureId, 'completed', 'pending');
    await (await waiting(pending.id))?.remove();
    await queues.mail.add(
      'mail.send',
      { notificationId: pending.id },
      { jobId: 'put-off', delay: 5 * 3_600_000, deduplication: { id: pending.id } },
    );
    await makeDue(world.sql, pending.id);
    await world.worker();
    expect(await notificationIn(world.sql, erasureId, 'completed', 'sent')).toMatchObject({ attempt: 1 });
    expect(server.deliveredTo(email)).toHaveLength(1);
    expect(await (await queues.mail.getJob('put-off'))?.getState()).toBe('delayed');
  });
});
