import { sql } from 'drizzle-orm';
import { changeCycle, endCycle, inMs, putOff } from './change-cycle.ts';
import { lookAtPartners } from './look-at-partners.ts';
import { lookAtTables } from './look-at-tables.ts';
import { type CanaryWork, type Cycle, type Finding, REQUEST } from './model.ts';

const OFTEN_MS = 2_000;
const SELDOM_MS = 15_000;
/** From here on an erasure that is not over is looked at seldom. */
const LONG_MS = 120_000;

type Found = { state: string; held: boolean; newer: boolean };

/**
 * Looks whether all of it is gone. What is in the database must be so as soon as the erasure is completed. Partners have
 * until `within` has passed, and so has the erasure. One that was undone is asked for again.
 */
export async function verifyErasure(work: CanaryWork, cycle: Cycle): Promise<void> {
  const [erasure] = await work.ctx.db.execute<Found>(sql`
    SELECT state, held_at IS NOT NULL AS held, newer_account_at IS NOT NULL AS newer
      FROM lethe.erasure WHERE id = ${cycle.erasureId}`);
  const askedMs = cycle.askedMs ?? 0;
  const over = askedMs >= work.declared.within;
  if (!erasure)
    return endCycle(work, cycle, [{ location: REQUEST, words: 'the API named an erasure that is not here' }]);
  if (erasure.newer) return endCycle(work, cycle, [{ location: REQUEST, words: 'another account has its key now' }]);
  if (erasure.state === 'completed') {
    // Counting reads each table. While a partner lags, it is done at the first look and at the last.
    const early = cycle.attempts === 0 ? await lookAtTables(work, cycle) : null;
    const { findings, open } = await lookAtPartners(work, cycle);
    const clean = early === null || early.length === 0;
    if (clean && findings.length > 0 && !over) return putOff(work, cycle, wordsOf(findings));
    if (clean && open) return putOff(work, cycle, 'stopped');
    const certain = early ?? (await lookAtTables(work, cycle));
    return endCycle(work, cycle, [...certain, ...findings]);
  }
  if (erasure.state === 'cancelled' && !over) {
    const again = { state: 'planted', erasureId: null, attempts: 0, nextAt: inMs(OFTEN_MS) };
    await changeCycle(work, cycle, { ...again, lastWords: 'its erasure was undone: asked for again' });
    return;
  }
  if (over) return endCycle(work, cycle, await findOutstanding(work, cycle, erasure));
  await changeCycle(work, cycle, { nextAt: inMs(askedMs < LONG_MS ? OFTEN_MS : SELDOM_MS) });
}

/** What keeps an erasure from its end, by location. Nobody's location is to blame for a hold. */
async function findOutstanding({ ctx }: CanaryWork, cycle: Cycle, { state, held }: Found): Promise<Finding[]> {
  if (held) return [{ location: REQUEST, words: 'its erasure is on hold: release it' }];
  if (state === 'cancelled') return [{ location: REQUEST, words: 'its erasure was undone' }];
  const tasks = await ctx.db.execute<{
    location: string;
    state: string;
    error: string | null;
    said: string | null;
  }>(sql`
    SELECT t.location, t.state, t.last_error AS error,
           (SELECT c.last_words FROM lethe.call c WHERE c.task_id = t.id AND c.settled_at IS NULL LIMIT 1) AS said
      FROM lethe.task t WHERE t.erasure_id = ${cycle.erasureId} AND t.state NOT IN ('done', 'retained')
     ORDER BY t.stage, t.location`);
  if (tasks.length === 0) return [{ location: REQUEST, words: `its erasure is ${state} and does not come to its end` }];
  return tasks.map((task) => ({
    location: task.location,
    words: ['not erased in time', `${state}, ${task.state}`, task.error ?? task.said ?? ''].filter(Boolean).join(': '),
  }));
}

const wordsOf = (findings: readonly Finding[]): string =>
  findings.map(({ location, words }) => `${location}: ${words}`).join('; ');
