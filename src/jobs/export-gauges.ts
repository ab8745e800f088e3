import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { releaseLease, takeLease } from '../db/lease.ts';
import type { Context } from '../erasure/context.ts';
import { measureBacklog } from '../erasure/measure.ts';
import type { Metrics } from '../metrics.ts';
import type { Producers } from './connection.ts';
import { QUEUES } from './contracts.ts';

const DUTY = 'gauges';
/** A dead holder's duty is taken over after one lease and one tick at most. */
const TIMES = { leaseMs: 15_000, tickMs: 5_000 };
/** Reading takes at most a twentieth of the time: with a million live erasures it is no longer quick. */
const REST = 20;
const STATES = ['waiting', 'prioritized', 'active', 'delayed', 'waiting-children', 'failed'] as const;

/**
 * Keeps the cluster's gauges up to date in one process at a time: each replica that exported them
 * would multiply every sum. On a clock, not on a scrape, so that scraping costs no query. A process
 * that cannot read the database exports none; without Redis the depths of the queues are left out.
 */
export function startExporting(
  work: { ctx: Pick<Context, 'db' | 'log'>; producers: Pick<Producers, 'queues'>; metrics: Metrics },
  times = TIMES,
): { stop: () => Promise<void> } {
  const { ctx, producers, metrics } = work;
  const holder = `${hostname()}-${process.pid}-${randomUUID()}`;
  const stopping = new AbortController();

  let restUntil = 0;

  const lapse = () => {
    restUntil = 0;
    metrics.exportCluster(0);
  };
  const tick = async () => {
    // Counted from before the question, so that our time ends before the database's.
    const asked = performance.now();
    try {
      if (!(await takeLease(ctx.db, DUTY, holder, times.leaseMs))) return lapse();
      if (asked >= restUntil) {
        await setBacklog(ctx, metrics);
        restUntil = asked + REST * (performance.now() - asked);
      }
      await setDepths(producers, metrics);
      metrics.exportCluster(stopping.signal.aborted ? 0 : times.leaseMs - (performance.now() - asked));
    } catch (error) {
      lapse();
      ctx.log.debug({ code: (error as Error).name }, 'gauges not read');
      // Another process may reach what this one does not.
      await releaseLease(ctx.db, DUTY, holder).catch(() => {});
    }
  };
  const running = (async () => {
    while (!stopping.signal.aborted) {
      await tick();
      await pause(times.tickMs, undefined, { signal: stopping.signal, ref: false }).catch(() => {});
    }
  })();
  return {
    stop: async () => {
      stopping.abort();
      metrics.exportCluster(0);
      // A database that says nothing must not hold up the end of the process.
      await Promise.race([running, pause(1000, undefined, { ref: false })]);
      await releaseLease(ctx.db, DUTY, holder);
    },
  };
}

async function setBacklog(ctx: Pick<Context, 'db'>, metrics: Metrics): Promise<void> {
  const now = await measureBacklog(ctx.db);
  for (const [state, count] of Object.entries(now.states)) metrics.erasures.set({ state }, count);
  metrics.held.set(now.held);
  metrics.oldestHold.set(now.oldestHold);
  metrics.oldestLive.set(now.oldestLive);
  metrics.dueNotStarted.set(now.dueNotStarted);
  metrics.overdueErasures.set(now.overdueErasures);
  metrics.overdueTasks.set(now.overdueTasks);
  if (now.sweepDoneAt === null) metrics.sweepDoneAt.remove();
  else metrics.sweepDoneAt.set(now.sweepDoneAt);
}

async function setDepths(producers: Pick<Producers, 'queues'>, metrics: Metrics): Promise<void> {
  try {
    const counts = await Promise.all(
      QUEUES.map(async (queue) => [queue, await producers.queues[queue].getJobCounts(...STATES)] as const),
    );
    for (const [queue, states] of counts)
      for (const state of STATES) metrics.queueJobs.set({ queue, state }, states[state] ?? 0);
  } catch {
    // A depth that was true before Redis went away would hide that it did.
    metrics.queueJobs.reset();
  }
}
