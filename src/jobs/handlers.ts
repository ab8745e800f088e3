import { type Job, UnrecoverableError } from 'bullmq';
import { sanitize } from '../db/sql-errors.ts';
import { advanceErasure } from '../erasure/advance.ts';
import type { Context } from '../erasure/context.ts';
import { eraseChunk } from '../erasure/erase-chunk.ts';
import type { SliceSize } from '../erasure/slice-size.ts';
import { sweep } from '../erasure/sweep.ts';
import { stackOf } from '../errors.ts';
import { type MailContext, sendMail } from '../mail/send.ts';
import { CONTRACTS, type JobName, type Payload } from './contracts.ts';
import type { Enqueue } from './enqueue.ts';
import type { ShowProgress } from './show-progress.ts';

export type Work = {
  ctx: Context;
  mail: MailContext;
  enqueue: Enqueue;
  sliceSize: SliceSize;
  showProgress: ShowProgress;
};

/** Typed from the registry: a job without a handler does not compile. */
type Handlers = { [N in JobName]: (work: Work, payload: Payload<N>, signal: AbortSignal) => Promise<unknown> };

export const HANDLERS: Handlers = {
  'erasure.advance': async ({ ctx, enqueue, showProgress }, { erasureId, step }) => {
    const next = await advanceErasure(ctx, erasureId, step);
    if (next.kind === 'dispatch') await enqueue.dispatch(next.dispatch);
    if (next.kind === 'completed') {
      ctx.log.info({ erasureId }, 'erasure completed');
      await enqueue.mailsOf(erasureId);
    }
    if (next.kind === 'stalled')
      ctx.log.error(
        { erasureId, code: next.error.code, detail: next.error.detail },
        'erasure stalled: an operator is needed',
      );
    await showProgress(erasureId, true);
    return { outcome: next.kind };
  },

  'chunk.erase': async ({ ctx, sliceSize, showProgress }, { erasureId, chunkId }, signal) => {
    let rows = 0;
    const outcome = await eraseChunk(ctx, chunkId, sliceSize, {
      proceed: () => !signal.aborted,
      onSlice: (slice) => {
        rows += slice.rows;
        void showProgress(erasureId);
      },
    });
    return { outcome, rows };
  },

  'mail.send': async ({ mail }, { notificationId }) => ({ outcome: await sendMail(mail, notificationId) }),

  'erasure.sweep': async ({ ctx, enqueue }) => {
    const done = await sweep(ctx, enqueue.dispatch);
    ctx.log.info(done, 'sweep');
    return done;
  },
};

/**
 * Runs one job: parses its payload, and throws only sanitized errors, because what is thrown here is
 * stored in Redis and shown on the dashboard.
 */
export async function handle(work: Work, job: Job, signal: AbortSignal): Promise<unknown> {
  const name = job.name as JobName;
  const contract = CONTRACTS[name];
  const payload = contract?.payload.safeParse(job.data);
  if (!payload?.success) throw new UnrecoverableError(`invalid job ${contract ? 'payload' : 'name'}`);
  const run = HANDLERS[name] as (work: Work, payload: unknown, signal: AbortSignal) => Promise<unknown>;
  try {
    return await run(work, payload.data, signal);
  } catch (error) {
    const clean = sanitize(error);
    const line = { job: name, jobId: job.id, attempt: job.attemptsMade + 1, code: clean.code, detail: clean.detail };
    if (clean.code === 'contended' || clean.code === 'mail_deferred')
      work.ctx.log.info(line, 'job will be tried again');
    else if (clean.code === 'internal_error') work.ctx.log.error({ ...line, stack: stackOf(error) }, 'job failed');
    else work.ctx.log.warn(line, 'job failed');
    if (clean.retry === 'never') throw new UnrecoverableError(clean.message);
    // Without the stack of the driver's error, which may quote parameters.
    throw Object.assign(new Error(clean.message), { stack: clean.message });
  }
}
