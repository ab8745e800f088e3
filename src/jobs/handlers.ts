import { DelayedError, type Job as Delivered, UnrecoverableError } from 'bullmq';
import type { z } from 'zod';
import { recordInterruption } from '../erasure/model/record-interruption.ts';
import { type LetheError, stackOf } from '../errors.ts';
import { sanitize } from '../store/sql-errors.ts';
import { findJob } from './list/index.ts';
import type { Contract, Job, Work } from './model/job.ts';

/**
 * Reads a job's payload; null where it is none of this contract. Fields that this version does not know are left out:
 * while replicas are replaced, jobs of the next version reach workers of this one. Refusing those would fail all of them.
 */
export function readPayload<P extends z.ZodObject>({ payload }: Contract<string, P>, data: unknown): z.infer<P> | null {
  const read = payload.strip().safeParse(data);
  return read.success ? (read.data as z.infer<P>) : null;
}

/**
 * Runs one job: parses its payload, and throws only sanitized errors, because what is thrown here is
 * stored in Redis and shown on the dashboard.
 */
export async function handle(work: Work, delivered: Delivered, signal: AbortSignal): Promise<unknown> {
  // A name that is in no contract must not become a label.
  const job = findJob(delivered.name);
  const payload = job && readPayload(job, delivered.data);
  if (!job || !payload) {
    work.metrics.jobs.inc({ name: job?.name ?? 'unknown', outcome: 'failed' });
    throw new UnrecoverableError(`invalid job ${job ? 'payload' : 'name'}`);
  }
  if (delivered.stalledCounter > 0) await tellInterrupted(work, delivered, payload);
  try {
    const result = await job.run(work, payload, signal);
    work.metrics.jobs.inc({ name: job.name, outcome: (result as { outcome?: string }).outcome ?? 'done' });
    return result;
  } catch (error) {
    const clean = sanitize(error);
    work.metrics.jobs.inc({ name: job.name, outcome: clean.retry === 'never' ? 'failed' : 'retried' });
    job.failed(work.metrics, clean.code);
    logFailure(work, job, { delivered, payload, error, clean });
    if (clean.retry === 'never') throw new UnrecoverableError(clean.message);
    if (clean.code === 'database_unavailable') await waitForDatabase(delivered);
    // Without the stack of the driver's error, which may quote parameters.
    throw Object.assign(new Error(clean.message), { stack: clean.message });
  }
}

/** The worker that had the job before ended without an answer, which nobody else will tell. */
async function tellInterrupted({ ctx }: Work, { id, stalledCounter }: Delivered, payload: object): Promise<void> {
  if (!('erasureId' in payload) || id === undefined) return;
  const location = 'location' in payload && typeof payload.location === 'string' ? payload.location : null;
  const of = { jobId: id, times: stalledCounter, location };
  await recordInterruption(ctx.db, String(payload.erasureId), of).catch((error: unknown) =>
    ctx.log.debug({ jobId: id, code: sanitize(error).code }, 'an interruption was not recorded'),
  );
}

type Failure = { delivered: Delivered; payload: object; error: unknown; clean: LetheError };

function logFailure({ ctx }: Work, job: Job, { delivered, payload, error, clean }: Failure): void {
  const line = {
    job: job.name,
    jobId: delivered.id,
    ...('erasureId' in payload ? { erasureId: payload.erasureId } : {}),
    attempt: delivered.attemptsMade + 1,
    code: clean.code,
    detail: clean.detail,
  };
  if (job.quiet.includes(clean.code)) ctx.log.info(line, 'job will be tried again');
  else if (clean.code === 'internal_error') ctx.log.error({ ...line, stack: stackOf(error) }, 'job failed');
  else ctx.log.warn(line, 'job failed');
}

/** Longest pause between two attempts while the database is away. */
const OUTAGE_PAUSE_MS = 10_000;

/**
 * Puts the job back without using up an attempt, for a pause that grows to ten seconds. With the
 * contract's backoff, made for errors of the job, an erasure slept for up to two minutes after an outage.
 */
async function waitForDatabase(job: Delivered): Promise<never> {
  const pause = Math.min(OUTAGE_PAUSE_MS, 500 * 2 ** Math.min(job.attemptsStarted, 10)) * (0.5 + Math.random() / 2);
  await job.moveToDelayed(Date.now() + Math.round(pause), job.token);
  throw new DelayedError();
}
