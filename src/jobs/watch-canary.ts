import { beginCycle, findLiveCycle, msToNext } from '../canary/cycles.ts';
import { eraseLeft } from '../canary/erase-left.ts';
import type { CanaryWork, Cycle } from '../canary/model.ts';
import { moveCycle } from '../canary/move.ts';
import { sanitize } from '../store/sql-errors.ts';
import { Duty } from './duty.ts';

const NAME = 'canary';
/** A dead holder is followed after a lease and one question at most. Where nothing is due, the database is asked as seldom. */
const TIMES = { leaseMs: 30_000, askMs: 10_000, tickMs: 2_000 };

/**
 * Plants test data on its schedule, has it erased and looks for it, in one process at a time. What it does next stands in
 * `lethe.canary`: a process that dies is followed where it was. Runs until stopped; a partner is not waited for then.
 */
export function startWatchingCanary(
  workOf: (signal: AbortSignal) => CanaryWork,
  times: Partial<typeof TIMES> = {},
): { stop: () => Promise<void> } {
  const { leaseMs, askMs, tickMs } = { ...TIMES, ...times };
  const stopping = new AbortController();
  const work = workOf(stopping.signal);
  const { ctx, declared } = work;
  const duty = new Duty(ctx.db, NAME, leaseMs);
  let leasedAt = Number.NEGATIVE_INFINITY;
  let askedAt = Number.NEGATIVE_INFINITY;
  let nextAt = 0;

  const hold = async (): Promise<boolean> => {
    const now = performance.now();
    if (now - leasedAt < askMs) return true;
    // Who was refused asks no more often.
    if (now - askedAt < askMs) return false;
    askedAt = now;
    if (!(await duty.take())) return false;
    leasedAt = now;
    return true;
  };
  /**
   * Moves a cycle, and keeps the duty meanwhile: a step may take longer than a lease. Who has lost the duty, because it
   * stood still, breaks the step off: what it planted now could come after the erasure.
   */
  const step = async (cycle: Cycle): Promise<void> => {
    const lost = new AbortController();
    const extend = async () => {
      const now = performance.now();
      if (await duty.take()) leasedAt = now;
      else lost.abort();
    };
    // While the database is away nobody else can take it.
    const timer = setInterval(() => void extend().catch(() => {}), leaseMs / 3);
    try {
      await moveCycle({ ...work, signal: AbortSignal.any([stopping.signal, lost.signal]) }, cycle);
    } finally {
      clearInterval(timer);
    }
    if (lost.signal.aborted) leasedAt = Number.NEGATIVE_INFINITY;
  };
  /** Milliseconds until there is something to do. */
  const turn = async (): Promise<number> => {
    const live = await findLiveCycle(ctx.db);
    if (!live) {
      const ms = await msToNext(ctx.db, declared.every);
      if (ms > 0) return ms;
      await eraseLeft(work);
      await beginCycle(ctx.db, declared.every);
      return 0;
    }
    if (live.dueMs !== null && live.dueMs > 0) return live.dueMs;
    await step(live);
    return 0;
  };
  const tick = async (): Promise<void> => {
    try {
      if (!(await hold())) {
        leasedAt = Number.NEGATIVE_INFINITY;
        return;
      }
      if (performance.now() < nextAt) return;
      // Somebody else may begin a cycle, or move one.
      nextAt = performance.now() + Math.min(askMs, await turn());
    } catch (error) {
      ctx.log.debug({ code: sanitize(error).code }, 'test data was not gone on with');
      nextAt = performance.now() + tickMs;
    }
  };
  const running = duty.start(tick, () => tickMs);
  return {
    stop: async () => {
      stopping.abort();
      await running.stop();
    },
  };
}
