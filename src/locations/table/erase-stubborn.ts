import type { Location } from '../../catalog/live/types.ts';
import { type Context, GIVE_WAY_MS, PROBING } from '../../erasure/model/context.ts';
import { OUTSIDE, recordOutside } from '../../erasure/model/ledger.ts';
import { hasNewerAccount } from '../../erasure/model/newer-account.ts';
import type { Erasure } from '../../erasure/model/states.ts';
import { claimStep } from '../../erasure/steps/finish.ts';
import { Rollback } from '../../erasure/steps/finish-outcome.ts';
import type { KeyValue } from '../../keys/types.ts';
import { isContended } from '../../store/sql-errors.ts';
import { afterCommit, setLimits, transaction } from '../../store/transaction.ts';
import { eraseRows, lockFirst } from './erase-rows.ts';
import { findRemaining } from './probe.ts';
import { refuseNewReferences, whereRowsWent } from './refuse-new-references.ts';
import { add, withSideEffects } from './side-effects.ts';

/** Transactions per call, so that one job stays short. */
const ROUNDS = 20;
const LIMIT = 500;

/**
 * Erases the few rows that the application keeps locked so much that passes, which leave locked rows
 * alone, never get them. Each transaction waits in line for one such row while it holds no other, and
 * takes what else is free with it. Returns how many rows went.
 */
export async function eraseStubborn(ctx: Context, running: Erasure, account: KeyValue): Promise<number> {
  let rows = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const [name] = await transaction(ctx.db, PROBING, (tx) => findRemaining(tx, ctx.catalog.locations, account));
    const location = ctx.catalog.locations.find((l) => l.name === name);
    if (!location) return rows;
    try {
      rows += await eraseOne(ctx, running, location, account);
    } catch (error) {
      if (error instanceof Rollback) return rows;
      if (!isContended(error)) throw error;
    }
  }
  return rows;
}

async function eraseOne(ctx: Context, running: Erasure, location: Location, account: KeyValue): Promise<number> {
  const budget = ctx.settings.lockBudgetMs;
  return transaction(ctx.db, { statementMs: budget / 2, lockMs: budget / 2 }, async (tx) => {
    await lockFirst(tx, location, account);
    await setLimits(tx, { statementMs: budget * 0.7, lockMs: GIVE_WAY_MS, totalMs: budget });
    if (!(await claimStep(tx, running))) return 0;
    const pick = { lower: null, upper: null, limit: LIMIT, skipLocked: true };
    const erase = () => eraseRows(tx, ctx.catalog, location, account, pick);
    const { rows, besides } = await withSideEffects(tx, ctx.catalog, erase);
    add(rows, besides);
    await refuseNewReferences(tx, ctx.catalog, { concerns: whereRowsWent(ctx.catalog, rows) });
    // After the deletion, which may have found what somebody new has written.
    if (await hasNewerAccount(tx, ctx.catalog.account, running)) throw new Rollback('superseded');
    await recordOutside(tx, running.id, rows, OUTSIDE);
    afterCommit(tx, () => ctx.onDeleted?.(rows));
    return [...rows.values()].reduce((a, b) => a + b, 0);
  });
}
