import { and, eq, isNull, sql } from 'drizzle-orm';
import type { Change } from '../store/rows.ts';
import { canary } from '../store/schema.ts';
import type { CanaryWork, Cycle, Finding } from './model.ts';

/** A time of the database so many milliseconds from now. */
export const inMs = (ms: number) => sql`now() + ${ms} * interval '1 millisecond'`;

/** Changes a cycle that is where `seen` has it. False: somebody else has moved it. */
export async function changeCycle(
  { ctx }: Pick<CanaryWork, 'ctx'>,
  seen: Cycle,
  change: Change<typeof canary>,
): Promise<boolean> {
  const changed = await ctx.db
    .update(canary)
    .set(change)
    .where(and(eq(canary.id, seen.id), eq(canary.state, seen.state), isNull(canary.finishedAt)))
    .returning({ id: canary.id });
  return changed.length > 0;
}

/** Ends a cycle: passed without findings, else failed. What was found while it was planted counts as well. */
export async function endCycle(work: CanaryWork, seen: Cycle, found: readonly Finding[]): Promise<void> {
  const findings = [...(seen.findings ?? []), ...found];
  const state = findings.length === 0 ? 'passed' : 'failed';
  const change = { state, findings, nextAt: null, finishedAt: sql`now()`, lastWords: null };
  if (!(await changeCycle(work, seen, change))) return;
  const { log } = work.ctx;
  if (state === 'passed') log.info({ canary: seen.id, erasureId: seen.erasureId }, 'test data is erased everywhere');
  else log.error({ canary: seen.id, erasureId: seen.erasureId, findings }, 'test data was not erased everywhere');
}

const FIRST_MS = 2_000;
const LAST_MS = 30_000;

/** Puts the step off: 2 s, twice as long each time, up to 30 s. `words` say why, without values. */
export async function putOff(work: CanaryWork, seen: Cycle, words: string, atLeastMs = 0): Promise<void> {
  const ms = Math.max(atLeastMs, Math.min(LAST_MS, FIRST_MS * 2 ** Math.min(seen.attempts, 10)));
  await changeCycle(work, seen, { attempts: sql`attempts + 1`, nextAt: inMs(ms), lastWords: words.slice(0, 500) });
}
