import type { JobsOptions } from 'bullmq';
import { z } from 'zod';

/** Queues per resource: parents, database work, calls to other systems, mail, and what runs on a clock. */
export const QUEUES = ['erasures', 'chunks', 'partners', 'mail', 'housekeeping'] as const;
export type QueueName = (typeof QUEUES)[number];

/** Kept long enough for support to see what happened, bounded so that Redis does not grow. */
const KEPT: JobsOptions = {
  removeOnComplete: { age: 3600, count: 1000 },
  removeOnFail: { age: 7 * 86_400, count: 1000 },
};
const backoff = (delay: number) => ({ type: 'exponential', delay, jitter: 0.5 });

type Contract = { queue: QueueName; payload: z.ZodObject; options: JobsOptions };

/**
 * The registry: every job's queue, payload (ids, names and counts only) and policy. Payloads are parsed when they are
 * added, where an unknown field is refused, and when they are consumed. Names are `noun.verb`.
 */
export const CONTRACTS = {
  'erasure.advance': {
    queue: 'erasures',
    payload: z.strictObject({ erasureId: z.uuid(), step: z.int().positive() }),
    options: { ...KEPT, attempts: 10, backoff: backoff(500) },
  },
  'chunk.erase': {
    queue: 'chunks',
    payload: z.strictObject({
      erasureId: z.uuid(),
      chunkId: z.int().positive(),
      // For whoever looks at the queues; the version before does not add it. Never a key.
      location: z.string().optional(),
      pass: z.int().positive().optional(),
      range: z.int().positive().optional(),
      rows: z.int().nonnegative().optional(),
    }),
    // A child that fails must neither park nor fail its parent: the ledger says what is left.
    options: { ...KEPT, attempts: 5, backoff: backoff(500), ignoreDependencyOnFailure: true },
  },
  'account.sign-out': {
    queue: 'partners',
    payload: z.strictObject({ erasureId: z.uuid() }),
    options: { ...KEPT, attempts: 6, backoff: backoff(500) },
  },
  'mail.send': {
    queue: 'mail',
    payload: z.strictObject({ notificationId: z.uuid() }),
    options: { ...KEPT, attempts: 6, backoff: backoff(1000) },
  },
  'erasure.sweep': {
    queue: 'housekeeping',
    payload: z.strictObject({}),
    options: { ...KEPT, attempts: 3, backoff: backoff(5000) },
  },
} as const satisfies Record<string, Contract>;

export type JobName = keyof typeof CONTRACTS;
export type Payload<N extends JobName> = z.infer<(typeof CONTRACTS)[N]['payload']>;

/**
 * Reads a job's payload; null where it is none of this name. Fields that this version does not know are left out: while
 * replicas are replaced the next version's jobs reach workers of this one, which would fail every one of them.
 */
export function readPayload<N extends JobName>(name: N, data: unknown): Payload<N> | null {
  const contract: Contract = CONTRACTS[name];
  const read = contract.payload.strip().safeParse(data);
  return read.success ? (read.data as Payload<N>) : null;
}
