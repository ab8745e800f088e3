import type { JobsOptions } from 'bullmq';
import type { z } from 'zod';
import type { Destination } from '../../dataset/destination.ts';
import type { Context } from '../../erasure/model/context.ts';
import type { RevokeCall } from '../../erasure/revoke/revoke-call.ts';
import type { ErrorCode } from '../../errors.ts';
import type { MailContext } from '../../mail/send.ts';
import type { Metrics } from '../../metrics.ts';
import type { SliceSize } from '../../pace/slice-size.ts';
import type { Tell } from '../../partners/tell.ts';
import type { Producers } from '../redis/producers.ts';
import type { QueueName } from '../redis/queues.ts';

/** Kept long enough for support to see what happened, bounded so that Redis does not grow. */
export const KEPT: JobsOptions = {
  removeOnComplete: { age: 3600, count: 1000 },
  removeOnFail: { age: 7 * 86_400, count: 1000 },
};
export const backoff = (delay: number) => ({ type: 'exponential', delay, jitter: 0.5 });

/**
 * How a job lies in Redis. The payload holds ids, names and counts only. It is parsed when the job is added, where an
 * unknown field is refused, and when it is consumed.
 */
export type Contract<N extends string = string, P extends z.ZodObject = z.ZodObject> = {
  /** `noun.verb`. */
  readonly name: N;
  readonly queue: QueueName;
  readonly payload: P;
  readonly options: JobsOptions;
};

/** One decision on its way into the queues. `what` and `ids` are for the log, should it not get there. */
export type Order = {
  readonly what: string;
  readonly ids: Readonly<Record<string, string | number>>;
  readonly add: (producers: Producers) => Promise<unknown>;
};
/** Puts an order into the queues. Never rejects; false when it is not known to have reached Redis. */
export type Put = (order: Order) => Promise<boolean>;

/** Copies an erasure's progress to its parent job, where the dashboard shows it. */
export type ShowProgress = (erasureId: string, now?: boolean) => Promise<void>;

/** What the jobs of a worker work with. */
export type Work = {
  ctx: Context;
  mail: MailContext;
  put: Put;
  sliceSize: SliceSize;
  showProgress: ShowProgress;
  metrics: Metrics;
  /** Absent where the application wants no call. */
  revoke?: RevokeCall | undefined;
  /** Where the dataset goes; absent where the catalog has none. */
  dataset?: Destination | undefined;
  /** Acknowledges messages of other Lethes. */
  tell: Tell;
};

/**
 * How a job gets into its queue. `as`: by a method of this name of `Enqueue`. `with`: as a child of that job. `cron`: on a clock;
 * null: not in this deployment.
 */
export type Entry =
  | { readonly as: string; readonly order: (subject: never) => Order }
  | { readonly with: string }
  | { readonly cron: (ctx: Pick<Context, 'settings' | 'declared'>) => string | null };

export type Finding = {
  ctx: Context;
  put: Put;
  /** True when the parent job waits, runs or waits for children of which one exists. Rejects without Redis. */
  isLive: (jobId: string) => Promise<boolean>;
};

/**
 * How reconcile finds work that Postgres knows and Redis has no job for. `find` puts that into the queues and returns how much
 * it was, which is logged as `counted`. `with`: the named job finds it.
 */
export type Due =
  | { readonly counted: string; readonly find: (finding: Finding) => Promise<number> }
  | { readonly with: string };

/** All that is to be said about one job: a file in `list/`, and a line in `list/index.ts`. */
export type Job<N extends string = string, P extends z.ZodObject = z.ZodObject, E extends Entry = Entry> = Contract<
  N,
  P
> & {
  readonly entry: E;
  readonly due: Due;
  /** Errors that are expected now and then. They are logged as info, others as warnings. */
  readonly quiet: readonly ErrorCode[];
  /** Counts a failed attempt in metrics of its own; `lethe_jobs_total` is counted for all jobs. */
  failed(metrics: Metrics, code: ErrorCode): void;
  /** The result is stored in Redis; its `outcome` is a label. `signal`: stop, the process ends or the job's lock is lost. */
  run(work: Work, payload: z.infer<P>, signal: AbortSignal): Promise<unknown>;
};

/** Checks a job's definition where it is written, and keeps its literal types. */
export const defineJob = <const N extends string, P extends z.ZodObject, const E extends Entry>(
  job: Job<N, P, E>,
): Job<N, P, E> => job;
