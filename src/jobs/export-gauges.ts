import { readStanding } from '../dataset/partitions.ts';
import type { Context } from '../erasure/model/context.ts';
import { measureBacklog } from '../erasure/progress/measure.ts';
import { measureCalls } from '../erasure/progress/measure-calls.ts';
import { measureCanary } from '../erasure/progress/measure-canary.ts';
import { type OwnerSeen, readOwners } from '../erasure/watch/read-owners.ts';
import type { Metrics } from '../metrics.ts';
import { readPace } from '../pace/current-pace.ts';
import { ratioOf } from '../pace/pace.ts';
import { PACES } from '../settings/pace-schedule.ts';
import { isContended } from '../store/sql-errors.ts';
import { Duty } from './duty.ts';
import { Failures } from './failures.ts';
import type { Producers } from './redis/producers.ts';
import { QUEUES } from './redis/queues.ts';

const NAME = 'gauges';
/** A dead holder's duty is taken over after one lease and one tick at most. */
const TIMES = { leaseMs: 15_000, tickMs: 5_000 };
const STATES = ['waiting', 'prioritized', 'active', 'delayed', 'waiting-children', 'failed'] as const;

type Gauged = Pick<Context, 'db' | 'log' | 'declared' | 'settings'>;

/**
 * Keeps the cluster's gauges up to date in one process at a time: each replica that exported them
 * would multiply every sum. On a clock, not on a scrape, so that scraping costs no query. A process
 * that cannot read the database exports none; without Redis the depths of the queues are left out.
 */
export function startExporting(
  work: { ctx: Gauged; producers: Pick<Producers, 'queues'>; metrics: Metrics },
  times = TIMES,
): { stop: () => Promise<void> } {
  const { ctx, producers, metrics } = work;
  const duty = new Duty(ctx.db, NAME, times.leaseMs);
  const failures = new Failures(ctx.log, 'gauges not read');
  let measured = false;

  const lapse = () => {
    duty.forgetRest();
    measured = false;
    metrics.exportCluster(0);
  };
  const measure = async () => {
    measured = false;
    await setBacklog(ctx, metrics);
    await setPartners(ctx, metrics);
    await setDataset(ctx, metrics);
    if (ctx.declared.canary) await setCanary(ctx, metrics);
    measured = true;
  };
  const tick = async () => {
    // Counted from before the question, so that our time ends before the database's.
    const asked = performance.now();
    try {
      if (!(await duty.take())) return lapse();
      if (!duty.resting) await duty.read(measure);
      if (!measured) return;
      await setPace(ctx, metrics);
      setOwners(await readOwners(ctx.db), metrics);
      await setDepths(producers, metrics);
      metrics.exportCluster(duty.stopping ? 0 : times.leaseMs - (performance.now() - asked));
      failures.end();
    } catch (error) {
      failures.add(error);
      // What takes too long here takes as long in another process: the duty is kept, and rests.
      if (isContended(error)) return metrics.exportCluster(0);
      lapse();
      await duty.release();
    }
  };
  const running = duty.start(tick, () => times.tickMs);
  return {
    stop: async () => {
      metrics.exportCluster(0);
      await running.stop();
    },
  };
}

async function setBacklog(ctx: Pick<Context, 'db'>, metrics: Metrics): Promise<void> {
  const now = await measureBacklog(ctx.db);
  for (const [state, count] of Object.entries(now.states)) metrics.erasures.set({ state }, count);
  for (const [state, count] of Object.entries(now.held)) metrics.held.set({ state }, count);
  metrics.oldestHold.set(now.oldestHold);
  metrics.oldestLive.set(now.oldestLive);
  metrics.dueNotStarted.set(now.dueNotStarted);
  metrics.deadlineUsed.set(now.deadlineUsed);
  metrics.overdueErasures.set(now.overdueErasures);
  metrics.overdueTasks.set(now.overdueTasks);
  metrics.oldestMail.set(now.oldestMail);
  if (now.sweepDoneAt === null) metrics.sweepDoneAt.remove();
  else metrics.sweepDoneAt.set(now.sweepDoneAt);
}

/** A partner that is in no catalog any more stays as long as its calls do. */
async function setPartners(ctx: Pick<Context, 'db'>, metrics: Metrics): Promise<void> {
  const partners = await measureCalls(ctx.db);
  for (const gauge of [metrics.circuitOpen, metrics.outstandingCalls, metrics.oldestCall]) gauge.reset();
  for (const { name: partner, open, outstanding, oldest } of partners) {
    metrics.circuitOpen.set({ partner }, open ? 1 : 0);
    metrics.outstandingCalls.set({ partner }, outstanding);
    metrics.oldestCall.set({ partner }, oldest);
  }
}

/** Absent where the catalog has no dataset. */
async function setDataset({ db, declared, settings }: Gauged, metrics: Metrics): Promise<void> {
  if (!declared.dataset) return;
  const { missing, completeUntil } = await readStanding(db, settings);
  metrics.datasetMissing.set(missing.length);
  metrics.datasetLastDay.set(completeUntil.getTime() / 1000);
}

/** What was measured longer ago says nothing of now. */
const STALE_MS = 3 * 60_000;

/** As the worker with the duty `owners` measured them; absent while none does. */
function setOwners(owners: readonly OwnerSeen[], metrics: Metrics): void {
  const open = [metrics.ownerTasks, metrics.ownerTasksLate, metrics.ownerTasksFailing, metrics.ownerOldestTask];
  const done = [metrics.ownerDoneSeconds, metrics.ownerTasksDone, metrics.ownerLastDone];
  for (const gauge of [...open, metrics.ownerDeadlineUsed, ...done]) gauge.reset();
  for (const { name: owner, seenMsAgo, watchedAt, ...measured } of owners) {
    if (seenMsAgo > STALE_MS) continue;
    metrics.ownerTasks.set({ owner }, measured.open);
    metrics.ownerTasksLate.set({ owner }, measured.late);
    metrics.ownerTasksFailing.set({ owner }, measured.failing);
    metrics.ownerDeadlineUsed.set({ owner }, measured.used);
    const { oldestAt } = measured;
    const age = oldestAt ? watchedAt.getTime() - oldestAt.getTime() : 0;
    metrics.ownerOldestTask.set({ owner }, Math.max(age, 0) / 1000);
    if (!measured.done) continue;
    metrics.ownerDoneSeconds.set({ owner, quantile: '0.5' }, measured.done.p50);
    metrics.ownerDoneSeconds.set({ owner, quantile: '0.95' }, measured.done.p95);
    metrics.ownerTasksDone.set({ owner, in_time: 'true' }, measured.done.inTime);
    metrics.ownerTasksDone.set({ owner, in_time: 'false' }, measured.done.late);
    metrics.ownerLastDone.set({ owner }, measured.done.lastAt.getTime() / 1000);
  }
}

async function setCanary(ctx: Pick<Context, 'db'>, metrics: Metrics): Promise<void> {
  const { failing, findings, passedAt } = await measureCanary(ctx.db);
  metrics.canaryFailing.set(failing ? 1 : 0);
  metrics.canaryFindings.reset();
  for (const [location, count] of Object.entries(findings)) metrics.canaryFindings.set({ location }, count);
  if (passedAt === null) metrics.canaryPassedAt.remove();
  else metrics.canaryPassedAt.set(passedAt);
}

/** Absent while no worker decides the pace. */
async function setPace(ctx: Pick<Context, 'db'>, metrics: Metrics): Promise<void> {
  const now = await readPace(ctx.db);
  metrics.pressure.reset();
  if (!now) {
    metrics.pace.reset();
    metrics.paceStep.remove();
    metrics.paceSlots.remove();
    return;
  }
  metrics.paceStep.set(now.step);
  metrics.paceSlots.set(now.slots);
  for (const pace of PACES) metrics.pace.set({ pace }, pace === now.pace ? 1 : 0);
  for (const signal of now.signals) {
    const ratio = ratioOf(signal);
    if (ratio !== null) metrics.pressure.set({ signal: signal.name }, ratio);
  }
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
