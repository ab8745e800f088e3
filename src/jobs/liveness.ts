import type { Producers } from './connection.ts';

const LIVE = new Set(['waiting', 'active', 'delayed', 'prioritized', 'paused']);

/**
 * True when a parent job will run by itself: it waits, runs, or waits for children of which at least
 * one exists and has not ended. Throws when Redis is away: not knowing is not "missing".
 */
export async function isParentLive(producers: Producers, jobId: string): Promise<boolean> {
  const job = await producers.queues.erasures.getJob(jobId);
  if (!job) return false;
  const state = await job.getState();
  if (LIVE.has(state)) return true;
  if (state !== 'waiting-children') return false;
  const { unprocessed } = await job.getDependencies({ unprocessed: { count: 100 } });
  for (const key of unprocessed ?? []) {
    const child = await producers.queues.chunks.getJob(key.split(':').at(-1) as string);
    if (child && LIVE.has(await child.getState())) return true;
  }
  // The last child may have ended while we looked.
  return LIVE.has(await job.getState());
}
