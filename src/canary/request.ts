import { sql } from 'drizzle-orm';
import { decodeKey } from '../keys/encode.ts';
import { changeCycle, endCycle, inMs, putOff } from './change-cycle.ts';
import { countRows } from './count-rows.ts';
import { type CanaryWork, type Cycle, REQUEST, type Turn } from './model.ts';

/** The first look at an erasure that was asked for: a small one is over by then. */
const FIRST_LOOK_MS = 1_000;

/**
 * Asks for the erasure. Just before, what is there is counted once more, since the application may have added to it.
 * Whoever has asked before made the erasure that counts. What is no answer is asked again until the time is up.
 */
export async function requestErasure(work: CanaryWork, seen: Cycle): Promise<void> {
  const cycle = await countAgain(work, seen);
  if (!cycle) return;
  const asked = await work.ask(cycle.accountKey as string, await turnOf(work, cycle), work.signal);
  if (asked.kind === 'accepted') {
    // An API of the version before knows of no test data: nobody must be mailed, nor counted.
    await work.ctx.db.execute(sql`
      UPDATE lethe.erasure SET canary = true, email = NULL
       WHERE id = ${asked.erasureId} AND account_key = ${cycle.accountKey} AND NOT canary`);
    const change = { state: 'requested', erasureId: asked.erasureId, nextAt: inMs(FIRST_LOOK_MS) };
    await changeCycle(work, cycle, { ...change, attempts: 0, lastWords: null });
    return;
  }
  const over = (cycle.askedMs ?? 0) >= work.declared.within;
  if (asked.kind === 'refused' || over) return endCycle(work, cycle, [{ location: REQUEST, words: asked.words }]);
  await putOff(work, cycle, asked.words, asked.afterMs);
}

/** What is there before anybody has asked for an erasure; null: somebody else moves the cycle. */
async function countAgain(work: CanaryWork, cycle: Cycle): Promise<Cycle | null> {
  if (cycle.requestedAt) return cycle;
  const { db, catalog } = work.ctx;
  const [live] = await db.execute(sql`
    SELECT 1 FROM lethe.erasure WHERE account_key = ${cycle.accountKey} AND state <> 'cancelled' LIMIT 1`);
  const { rows, account } = await countRows(db, catalog, decodeKey(catalog.account.key, cycle.accountKey as string));
  const inTables = Object.fromEntries([...rows].filter(([, n]) => n > 0));
  const asked = Object.entries(cycle.planted ?? {}).filter(([name]) => !catalog.tables.some((l) => l.name === name));
  const planted = live || !account ? cycle.planted : { ...Object.fromEntries(asked), ...inTables };
  if (!(await changeCycle(work, cycle, { planted, requestedAt: inMs(0) }))) return null;
  return { ...cycle, planted, askedMs: 0 };
}

/** The same for all tries, and another one after an erasure that was undone: its answer would be given again. */
async function turnOf({ ctx }: CanaryWork, { id, accountKey }: Cycle): Promise<Turn> {
  const [undone] = await ctx.db.execute<{ n: number }>(sql`
    SELECT count(*)::int AS n FROM lethe.erasure WHERE account_key = ${accountKey} AND state = 'cancelled'`);
  return { cycle: id, turn: undone?.n ?? 0 };
}
