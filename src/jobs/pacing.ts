import type { Context } from '../erasure/model/context.ts';
import { type CurrentPace, keepPace, paceOrOwn, readPace, storePace } from '../pace/current-pace.ts';
import { allowanceOf, decide, type Signal, type Standing, slowedWords } from '../pace/pace.ts';
import { readPressure } from '../pace/pressure.ts';
import { Signals } from '../pace/signals.ts';
import { paceAt } from '../settings/pace-schedule.ts';
import { readRole } from '../store/grants.ts';
import { isContended } from '../store/sql-errors.ts';
import { Duty } from './duty.ts';
import { Failures } from './failures.ts';
import { limitSlots } from './redis/limit-slots.ts';
import type { Producers } from './redis/producers.ts';

const NAME = 'pace';
/** Who has not the duty asks for it every `askMs`: a dead holder is followed after `leaseMs` and that at most. */
const TIMES = { leaseMs: 10_000, askMs: 5_000, tickMs: 1_000 };
/** Without news the row is written no more often, so that an idle cluster leaves the database alone. */
const QUIET_MS = 5_000;

type Work = { ctx: Pick<Context, 'db' | 'log' | 'catalog' | 'settings'>; producers: Pick<Producers, 'queues'> };

/**
 * Decides the pace of the whole cluster, in one process at a time. It reads what the database says, moves
 * along the ladder and writes the row that every slice reads. Runs from the start until stopped.
 */
export function startPacing(work: Work, times: Partial<typeof TIMES> = {}): { stop: () => Promise<void> } {
  const { ctx, producers } = work;
  const { leaseMs, askMs, tickMs } = { ...TIMES, ...times };
  const duty = new Duty(ctx.db, NAME, leaseMs);
  const failures = new Failures(ctx.log, 'pressure not read');
  const unseen = new Set<string>();
  let signals = new Signals(ctx.settings);
  /** Absent while another process has the duty. */
  let standing: Standing | undefined;
  let stored: CurrentPace | undefined;
  let storedAt = 0;
  let leasedAt = Number.NEGATIVE_INFINITY;
  let applying = false;

  /** True while the duty is ours; renewed after a third of the lease, not at every tick. */
  const hold = async (): Promise<boolean> => {
    const asked = performance.now();
    if (standing && asked - leasedAt < leaseMs / 3) return true;
    if (!(await duty.take())) return false;
    leasedAt = asked;
    if (standing) return true;
    // The predecessor's step: a new holder must not begin with an acceleration.
    const { pace, step } = paceOrOwn(ctx, await readPace(ctx.db));
    standing = { pace, step, calm: 0, reason: null };
    signals = new Signals(ctx.settings);
    return true;
  };

  const sample = () => duty.read(async () => signals.from(await readPressure(ctx.db, ctx.catalog), performance.now()));

  const store = async (before: Standing, now: Standing, read: Signal[]): Promise<void> => {
    const { slots } = allowanceOf(now.pace, now.step, ctx.settings);
    const words = slowedWords(now);
    const current: CurrentPace = { pace: now.pace, step: now.step, slots, words, signals: read };
    const news = stored?.step !== now.step || stored.pace !== now.pace || stored.words !== words;
    if (news || stored?.slots !== slots || performance.now() - storedAt >= QUIET_MS) {
      if (!(await storePace(ctx.db, NAME, duty.holder, current))) return lapse();
      stored = current;
      storedAt = performance.now();
    }
    if (before.pace !== now.pace || before.step !== now.step)
      ctx.log.info({ pace: now.pace, step: now.step, from: before.step, slots, reason: words }, 'pace');
    void applySlots(slots);
  };

  /** Redis may be away or slow; reading the database goes on meanwhile, and reconcile restores the same number. */
  const applySlots = async (slots: number): Promise<void> => {
    if (applying) return;
    applying = true;
    try {
      await limitSlots(producers, slots);
    } catch {
      // Tried again at the next tick.
    } finally {
      applying = false;
    }
  };

  const lapse = () => {
    standing = undefined;
    stored = undefined;
    duty.forgetRest();
    leasedAt = Number.NEGATIVE_INFINITY;
  };

  const tick = async (): Promise<void> => {
    try {
      if (!(await hold()) || !standing) return lapse();
      if (duty.resting) return;
      const read = await sample();
      for (const { name, value, words } of read) {
        if (value !== null || unseen.has(name)) continue;
        unseen.add(name);
        ctx.log.warn(
          { signal: name },
          `${words} and will not slow Lethe down: GRANT pg_monitor TO ${await readRole(ctx.db)}`,
        );
      }
      const before = standing;
      standing = decide(before, paceAt(ctx.settings.pace, new Date()), read);
      await store(before, standing, read);
      failures.end();
    } catch (error) {
      failures.add(error);
      // What takes too long here takes as long in another process: the duty and the step are kept.
      if (isContended(error)) return void (await keepPace(ctx.db).catch(() => {}));
      lapse();
      await duty.release();
    }
  };
  return duty.start(tick, () => (standing ? tickMs : askMs));
}
