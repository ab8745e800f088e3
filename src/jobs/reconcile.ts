import { setInterval } from 'node:timers';
import type { Context } from '../erasure/model/context.ts';
import { sanitize } from '../store/sql-errors.ts';
import { JOBS } from './list/index.ts';
import type { Finding, Put } from './model/job.ts';
import { isParentLive } from './redis/liveness.ts';
import type { Producers } from './redis/producers.ts';
import { ensureSchedule } from './schedule.ts';

/**
 * Compares Postgres with Redis and creates again what is missing there: each job of the list looks for its own work.
 * Returns how much was found, by the jobs' own words.
 */
export async function reconcile(finding: Finding): Promise<Record<string, number>> {
  const done: Record<string, number> = {};
  for (const { due } of JOBS) if ('find' in due) done[due.counted] = await due.find(finding);
  return done;
}

/**
 * Runs reconcile in this process, jittered, from the start until stopped: a scheduler in Redis would
 * be lost together with what it has to mend.
 */
export function startReconciling(
  { ctx, put, producers }: { ctx: Context; put: Put; producers: Producers },
  options: { intervalMs: number; onRound?: () => void },
): { stop: () => void } {
  let busy = false;
  const round = async () => {
    if (busy) return;
    busy = true;
    try {
      await ensureSchedule(ctx, producers);
      const done = await reconcile({ ctx, put, isLive: (id) => isParentLive(producers, id) });
      options.onRound?.();
      if (Object.values(done).some((n) => n > 0)) ctx.log.info(done, 'reconciled');
    } catch (error) {
      ctx.log.warn(reasonOf(error as Error, producers), 'reconcile will try again');
    } finally {
      busy = false;
    }
  };
  const timers: NodeJS.Timeout[] = [];
  // Also as soon as Redis is reachable: what an outage dropped should not wait for the timer.
  if (producers.redis.status === 'ready') void round();
  producers.onReady(round);
  timers.push(
    setTimeout(() => timers.push(setInterval(round, options.intervalMs)), Math.random() * options.intervalMs),
  );
  return { stop: () => timers.forEach(clearInterval) };
}

/** A cluster stays `ready` while the node with our keys is away. */
const OF_REDIS = /^(Command timed out|Connection is closed|Too many Cluster redirections|Cluster isn't ready)/;

/** Whose failure it is: a refused connection has the same code from Redis as from Postgres. */
function reasonOf(error: Error, { redis }: Producers): { code: string; detail?: string | undefined } {
  const ofRedis = /^(ReplyError|MaxRetriesPerRequestError|ClusterAllFailedError)$/.test(error.name);
  if (ofRedis || OF_REDIS.test(error.message) || redis.status !== 'ready') return { code: 'redis' };
  const { code, detail } = sanitize(error);
  return { code, detail };
}
