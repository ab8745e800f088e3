import { setInterval } from 'node:timers';
import type { Context } from '../erasure/model/context.ts';
import { reconcile } from '../erasure/upkeep/lost-steps.ts';
import { currentSlots } from '../pace/current-pace.ts';
import { nextSweep } from '../settings/sweep-times.ts';
import { readClock } from '../store/clock.ts';
import { sanitize } from '../store/sql-errors.ts';
import { CONTRACTS } from './contracts.ts';
import type { Enqueue } from './enqueue.ts';
import type { Producers } from './redis/connection.ts';
import { limitSlots } from './redis/limit-slots.ts';
import { isParentLive } from './redis/liveness.ts';

const SWEEP = 'erasure.sweep';
/** A tick that is overdue for this long has lost its job; one that is so much too late was set by a clock that is wrong. */
const STUCK_MS = 2 * 60_000;

/** Creates the sweep's scheduler and the concurrency limit when they are missing: a flushed Redis has lost both. */
export async function ensureSchedule(ctx: Context, producers: Producers): Promise<void> {
  const { housekeeping } = producers.queues;
  const found = await housekeeping.getJobScheduler(SWEEP);
  // Only when missing, different, or without a next run: an upsert drops an overdue tick.
  const { sweepCron } = ctx.settings;
  if (found?.pattern !== sweepCron || isStuck(found.next ?? 0, sweepCron, await readClock(ctx.db))) {
    await housekeeping.upsertJobScheduler(
      SWEEP,
      { pattern: sweepCron, tz: 'UTC' },
      { name: SWEEP, data: {}, opts: CONTRACTS[SWEEP].options },
    );
    ctx.log.info({ pattern: sweepCron }, 'sweep scheduled');
  }
  await limitSlots(producers, await currentSlots(ctx));
}

/**
 * True when the next run is not where the schedule has it. By the database's clock: the process that computed it last,
 * or this one, may have a wrong one, and a clock that was two days ahead left no sweep for two days.
 */
export const isStuck = (next: number, cron: string, now: Date): boolean =>
  next < now.getTime() - STUCK_MS || next > nextSweep(cron, now).getTime() + STUCK_MS;

/**
 * Runs reconcile in this process, jittered, from the start until stopped: a scheduler in Redis would
 * be lost together with what it has to mend.
 */
export function startReconciling(
  work: { ctx: Context; enqueue: Enqueue; producers: Producers },
  options: { intervalMs: number; onRound?: () => void },
): { stop: () => void } {
  const { ctx, enqueue, producers } = work;
  let busy = false;
  const round = async () => {
    if (busy) return;
    busy = true;
    try {
      await ensureSchedule(ctx, producers);
      const done = await reconcile(ctx, {
        isLive: (id) => isParentLive(producers, id),
        enqueue: enqueue.dispatch,
        enqueueMail: enqueue.mail,
        enqueueSignOut: enqueue.signOut,
      });
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
