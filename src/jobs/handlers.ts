import { setTimeout as wait } from 'node:timers/promises';
import { DelayedError, type Job, UnrecoverableError } from 'bullmq';
import type { Context } from '../erasure/model/context.ts';
import { recordThroughput } from '../erasure/model/throughput.ts';
import type { SignOutCall } from '../erasure/revoke/revoke-call.ts';
import { signOutAccount } from '../erasure/revoke/revoke-tokens.ts';
import { advanceErasure } from '../erasure/steps/advance.ts';
import { eraseChunk } from '../erasure/steps/erase-chunk.ts';
import { sweep } from '../erasure/upkeep/sweep.ts';
import { stackOf } from '../errors.ts';
import { type MailContext, sendMail } from '../mail/send.ts';
import type { Metrics } from '../metrics.ts';
import type { SliceSize } from '../pace/slice-size.ts';
import { sanitize } from '../store/sql-errors.ts';
import { CONTRACTS, type JobName, type Payload, readPayload } from './contracts.ts';
import type { Enqueue } from './enqueue.ts';
import type { ShowProgress } from './show-progress.ts';

export type Work = {
  ctx: Context;
  mail: MailContext;
  enqueue: Enqueue;
  sliceSize: SliceSize;
  showProgress: ShowProgress;
  metrics: Metrics;
  /** Absent where the application wants no call. */
  signOut?: SignOutCall | undefined;
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

  'chunk.erase': async ({ ctx, sliceSize, showProgress, metrics }, { erasureId, chunkId }, signal) => {
    let rows = 0;
    let ms = 0;
    let location = '';
    const outcome = await eraseChunk(ctx, chunkId, sliceSize, {
      proceed: () => !signal.aborted,
      pause: async (pauseMs) => {
        const begun = performance.now();
        await wait(pauseMs, undefined, { signal }).catch(() => {});
        metrics.pausedSeconds.inc((performance.now() - begun) / 1000);
      },
      onSlice: (slice) => {
        rows += slice.rows;
        ms += slice.ms;
        location = slice.location;
        metrics.sliceSeconds.observe({ location }, slice.ms / 1000);
        void showProgress(erasureId);
      },
    });
    // Predictions are for looking at: a measurement that is lost must not fail the chunk, nor its commit delay the next.
    void recordThroughput(ctx.db, location, rows, ms).catch((error: Error) =>
      ctx.log.debug({ chunkId, code: error.name }, 'speed not recorded'),
    );
    if (location) metrics.chunkSeconds.observe({ location }, ms / 1000);
    if (outcome === 'finished') metrics.chunksFinished.inc({ location });
    return { outcome, rows };
  },

  'account.sign-out': async ({ ctx, signOut }, { erasureId }) => ({
    outcome: signOut ? await signOutAccount(ctx, signOut, erasureId) : 'skipped',
  }),

  'mail.send': async ({ mail, metrics }, { notificationId }) => {
    const outcome = await sendMail(mail, notificationId);
    metrics.mails.inc({ outcome });
    return { outcome };
  },

  'erasure.sweep': async ({ ctx, enqueue, metrics }) => {
    const done = await sweep(ctx, enqueue.dispatch);
    metrics.sweptAt.setToCurrentTime();
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
  // Whoever can write to Redis chooses the name: it must not become a label, nor find what every object has.
  const known = Object.hasOwn(CONTRACTS, name);
  const payload = known ? readPayload(name, job.data) : null;
  if (!payload) {
    work.metrics.jobs.inc({ name: known ? name : 'unknown', outcome: 'failed' });
    throw new UnrecoverableError(`invalid job ${known ? 'payload' : 'name'}`);
  }
  const run = HANDLERS[name] as (work: Work, payload: unknown, signal: AbortSignal) => Promise<unknown>;
  try {
    const result = await run(work, payload, signal);
    work.metrics.jobs.inc({ name, outcome: (result as { outcome?: string }).outcome ?? 'done' });
    return result;
  } catch (error) {
    const clean = sanitize(error);
    work.metrics.jobs.inc({ name, outcome: clean.retry === 'never' ? 'failed' : 'retried' });
    if (name === 'chunk.erase') work.metrics.chunksFailed.inc({ code: clean.code });
    if (clean.code === 'mail_deferred') work.metrics.mails.inc({ outcome: 'deferred' });
    const line = {
      job: name,
      jobId: job.id,
      ...('erasureId' in payload ? { erasureId: payload.erasureId } : {}),
      attempt: job.attemptsMade + 1,
      code: clean.code,
      detail: clean.detail,
    };
    if (['contended', 'mail_deferred', 'sign_out_deferred'].includes(clean.code))
      work.ctx.log.info(line, 'job will be tried again');
    else if (clean.code === 'internal_error') work.ctx.log.error({ ...line, stack: stackOf(error) }, 'job failed');
    else work.ctx.log.warn(line, 'job failed');
    if (clean.retry === 'never') throw new UnrecoverableError(clean.message);
    if (clean.code === 'database_unavailable') await waitForDatabase(job);
    // Without the stack of the driver's error, which may quote parameters.
    throw Object.assign(new Error(clean.message), { stack: clean.message });
  }
}

/** Longest pause between two attempts while the database is away. */
const OUTAGE_PAUSE_MS = 10_000;

/**
 * Puts the job back without using up an attempt, for a pause that grows to ten seconds. With the
 * contract's backoff, made for errors of the job, an erasure slept for up to two minutes after an outage.
 */
async function waitForDatabase(job: Job): Promise<never> {
  const pause = Math.min(OUTAGE_PAUSE_MS, 500 * 2 ** Math.min(job.attemptsStarted, 10)) * (0.5 + Math.random() / 2);
  await job.moveToDelayed(Date.now() + Math.round(pause), job.token);
  throw new DelayedError();
}
