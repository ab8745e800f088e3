import type { Context } from '../erasure/model/context.ts';
import { currentSlots } from '../pace/current-pace.ts';
import { nextSweep } from '../settings/sweep-times.ts';
import { readClock } from '../store/clock.ts';
import { JOBS } from './list/index.ts';
import type { Job } from './model/job.ts';
import { limitSlots } from './redis/limit-slots.ts';
import type { Producers } from './redis/producers.ts';

/** A tick that is overdue for so long has lost its job. One that is so much too late was set by a clock that is wrong. */
const STUCK_MS = 2 * 60_000;

/** Creates the schedulers and the concurrency limits where they are missing: a flushed Redis has lost both. */
export async function ensureSchedule(ctx: Context, producers: Producers): Promise<void> {
  for (const job of JOBS) {
    const cron = 'cron' in job.entry ? job.entry.cron(ctx) : null;
    if (cron !== null) await ensureTicks(ctx, producers, job, cron);
  }
  await limitSlots(producers, await currentSlots(ctx));
}

/** Only when missing, different, or without a next run: an upsert drops an overdue tick. */
async function ensureTicks(ctx: Context, producers: Producers, { name, queue, options }: Job, pattern: string) {
  const scheduler = producers.queues[queue];
  const found = await scheduler.getJobScheduler(name);
  if (found?.pattern === pattern && !isStuck(found.next ?? 0, pattern, await readClock(ctx.db))) return;
  await scheduler.upsertJobScheduler(name, { pattern, tz: 'UTC' }, { name, data: {}, opts: options });
  ctx.log.info({ job: name, pattern }, 'scheduled');
}

/**
 * True when the next run is not where the schedule has it. By the database's clock: that of the process that computed
 * it last, or of this one, may be wrong. A clock that was two days ahead left no sweep for two days.
 */
export const isStuck = (next: number, cron: string, now: Date): boolean =>
  next < now.getTime() - STUCK_MS || next > nextSweep(cron, now).getTime() + STUCK_MS;
