import type { Queue } from 'bullmq';
import type { Producers } from './producers.ts';

const LIVE = new Set(['waiting', 'active', 'delayed', 'prioritized', 'paused']);
/** More than any pause: the backoff before a job's last attempt takes about six minutes. */
const LONGEST_PAUSE_MS = 10 * 60_000;
/** How the queue stores when a delayed job is due: in steps of so many to a millisecond. */
const PER_MS = 0x1000;

/**
 * True when a parent job will run by itself. It waits, runs, or waits for children of which at least
 * one exists and has not ended. Throws when Redis is away: not knowing is not "missing".
 */
export async function isParentLive(producers: Producers, jobId: string): Promise<boolean> {
  const { erasures, chunks } = producers.queues;
  const job = await erasures.getJob(jobId);
  if (!job) return false;
  const state = await job.getState();
  if (LIVE.has(state)) return isSoon(producers, erasures, jobId);
  if (state !== 'waiting-children') return false;
  const { unprocessed } = await job.getDependencies({ unprocessed: { count: 100 } });
  for (const key of unprocessed ?? []) {
    const child = await chunks.getJob(key.split(':').at(-1) as string);
    const childState = child && (await child.getState());
    if (child && LIVE.has(childState as string) && (await isSoon(producers, chunks, child.id as string))) return true;
  }
  // The last child may have ended while we looked.
  return LIVE.has(await job.getState());
}

/** False for a job that is put off for hours, by a process whose clock was ahead. It is as good as missing, and safe to run twice. */
export async function isSoon({ redis }: Pick<Producers, 'redis'>, queue: Queue, jobId: string): Promise<boolean> {
  const due = await redis.zscore(queue.toKey('delayed'), jobId);
  return due === null || Number(due) / PER_MS < Date.now() + LONGEST_PAUSE_MS;
}
