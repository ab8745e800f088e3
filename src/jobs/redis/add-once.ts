import type { JobsOptions, Queue } from 'bullmq';
import { isSoon } from './liveness.ts';
import type { Producers } from './producers.ts';

/**
 * Adds a job about `subject` unless one is there: a queue that takes its time must not be filled again by every reconcile.
 * One that a wrong clock has put off for hours counts for nothing. For work that is safe to repeat.
 */
export async function addOnce(
  producers: Producers,
  queue: Queue,
  subject: string,
  { name, data, opts }: { name: string; data: object; opts: JobsOptions },
): Promise<void> {
  // An id of its own for each job keeps a failed one from blocking the next.
  const jobId = `${subject}_${Date.now().toString(36)}`;
  const add = () => queue.add(name, data, { ...opts, jobId, deduplication: { id: subject } });
  const there = (await add()).id as string;
  if (there === jobId || (await isSoon(producers, queue, there))) return;
  await queue.removeDeduplicationKey(subject);
  await add();
}
