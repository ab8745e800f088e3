import { afterAll, expect, it } from 'vitest';
import { requestErasure } from '../../src/erasure/accept/request.ts';
import { acknowledgeTask } from '../../src/erasure/steps/acknowledge.ts';
import { beginErasure } from '../../src/jobs/begin-erasure.ts';
import { createEnqueue } from '../../src/jobs/enqueue.ts';
import { startReconciling } from '../../src/jobs/reconcile.ts';
import { openWorkerConnection } from '../../src/jobs/redis/connection.ts';
import { startWorkers } from '../../src/jobs/worker.ts';
import { outboxProvider } from '../../src/mail/outbox.ts';
import { createMetrics } from '../../src/metrics.ts';
import { SliceSize } from '../../src/pace/slice-size.ts';
import { ledger, rowsOf } from '../support/evidence.ts';
import { findNotification, notificationIn } from '../support/notifications.ts';
import { stateOf } from '../support/progress.ts';
import { LARGE, SMALL, subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { createWorld } from '../support/world.ts';
import { readTask } from './evidence.ts';
import { ELSEWHERE, lateSubject } from './late.ts';
import { contextFor } from './subject.ts';

const LATE = lateSubject();
const world = await createWorld({ catalog: LATE.catalog, env: { LETHE_CHUNK_ROWS: '250' } });
afterAll(() => world.close());

/** A worker as main.ts starts it, whose context has the kind that answers late. */
async function startLateWorker() {
  await world.sql.unsafe(LATE.schema);
  const config = world.config('worker');
  const opened = await world.domain();
  const { producers } = opened;
  const ctx = contextFor(LATE, opened);
  const enqueue = createEnqueue(producers, ctx.log);
  const { put } = enqueue;
  const work = {
    ctx,
    put,
    mail: { db: ctx.db, log: ctx.log, provider: outboxProvider(world.outbox), statusUrl: () => 'http://lethe.test' },
    sliceSize: new SliceSize(ctx.settings.sliceMs),
    showProgress: async () => {},
    tell: async () => ({ kind: 'later' as const, words: 'nobody is there' }),
    metrics: createMetrics({ defaults: false }),
  };
  const redis = { url: config.REDIS_URL, prefix: config.LETHE_REDIS_PREFIX };
  const connection = openWorkerConnection(redis, ctx.log);
  const workers = startWorkers(work, connection, { prefix: redis.prefix, concurrency: 4 });
  const reconciling = startReconciling({ ctx, put, producers }, { intervalMs: 1_000 });
  const stop = async () => {
    reconciling.stop();
    await workers.stop(5_000);
    await enqueue.settled();
    connection.disconnect();
  };
  return { ctx, enqueue, stop };
}

it('jobs ask what outlives the account, end while it awaits, and go on with the answer', async () => {
  const { ctx, enqueue, stop } = await startLateWorker();
  try {
    for (const posts of [SMALL, LARGE]) {
      const s = await subject(world.sql, posts);
      await LATE.add(world.sql, [s.account, s.bystander], 30);
      const sum = await LATE.checksum(world.sql, s.bystander);
      const request = { accountKey: [s.account], requestedBy: 'test' };
      const accepted = await requestErasure(ctx, request, { eraseSmall: true });
      const { id } = await beginErasure(ctx, enqueue, accepted, { by: 'test', startNow: true });
      const awaits = async () => {
        const [row] = await world.sql`SELECT state, dispatched_at FROM lethe.erasure WHERE id = ${id}`;
        return row?.state === 'awaiting' && row.dispatched_at === null;
      };
      await until('all was asked for', awaits);
      expect((await readTask(world.sql, id, ELSEWHERE)).state).toBe('awaiting');
      expect(await rowsOf(world.sql, s.account)).toEqual({ sessions: 0, posts: 0, feeds: 0, accounts: 0 });
      expect(await findNotification(world.sql, id, 'completed')).toBeUndefined();
      const step = await acknowledgeTask(ctx, id, ELSEWHERE);
      if (step) await enqueue.dispatch(step);
      await until('it is completed', async () => (await stateOf(world.sql, id)) === 'completed');
      expect(await ledger(world.sql, id)).toEqual({ ...s.before, [ELSEWHERE]: 30 });
      expect(await LATE.checksum(world.sql, s.bystander)).toBe(sum);
      await notificationIn(world.sql, id, 'completed', 'sent');
    }
  } finally {
    await stop();
  }
});
