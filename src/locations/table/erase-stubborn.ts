import { locationOf } from '../../catalog/live/location-of.ts';
import type { TableLocation } from '../../catalog/live/types.ts';
import type { KeyValue } from '../../keys/types.ts';
import { GIVE_WAY_MS, PROBING } from '../../store/limits.ts';
import { isContended } from '../../store/sql-errors.ts';
import { afterCommit, setLimits, transaction } from '../../store/transaction.ts';
import type { KindContext, StubbornWork } from '../kind.ts';
import { Rollback } from '../kind.ts';
import { refuseNewReferences, whereRowsWent } from './refuse-new-references.ts';
import { eraseRows, lockFirst } from './rows/erase-rows.ts';
import { findRemaining } from './rows/probe.ts';
import { add, withSideEffects } from './side-effects.ts';

/** Transactions per call, so that one job stays short. */
const ROUNDS = 20;
const LIMIT = 500;

/**
 * Deletes the few rows that the application keeps locked. Passes leave locked rows alone, so they never get these. Each transaction waits in line for one such row while
 * it has locked no other, and takes what else is free with it. Returns how many rows went.
 */
export async function eraseStubborn(ctx: KindContext, account: KeyValue, by: StubbornWork): Promise<number> {
  let rows = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const [name] = await transaction(ctx.db, PROBING, (tx) => findRemaining(tx, ctx.catalog.tables, account));
    if (name === undefined) return rows;
    const location = locationOf(ctx.catalog.tables, name);
    try {
      rows += await eraseOne(ctx, location, account, by);
    } catch (error) {
      if (error instanceof Rollback) return rows;
      if (!isContended(error)) throw error;
    }
  }
  return rows;
}

async function eraseOne(
  ctx: KindContext,
  location: TableLocation,
  account: KeyValue,
  by: StubbornWork,
): Promise<number> {
  const budget = ctx.settings.lockBudgetMs;
  return transaction(ctx.db, { statementMs: budget / 2, lockMs: budget / 2 }, async (tx) => {
    await lockFirst(tx, location, account);
    await setLimits(tx, { statementMs: budget * 0.7, lockMs: GIVE_WAY_MS, totalMs: budget });
    if (!(await by.claim(tx))) return 0;
    const pick = { lower: null, upper: null, limit: LIMIT, skipLocked: true };
    const erase = () => eraseRows(tx, ctx.catalog, location, account, pick);
    const { rows, besides } = await withSideEffects(tx, ctx.catalog, erase);
    add(rows, besides);
    await refuseNewReferences(tx, ctx.catalog, { concerns: whereRowsWent(ctx.catalog, rows) });
    // After the deletion, which may have found what somebody new has written.
    if (await by.isNewer(tx)) throw new Rollback('superseded');
    await by.record(tx, rows);
    afterCommit(tx, () => ctx.onDeleted?.(rows));
    return [...rows.values()].reduce((a, b) => a + b, 0);
  });
}
