import { sql } from 'drizzle-orm';
import type { KeyValue } from '../catalog/types.ts';
import type { Transaction } from '../db/client.ts';
import { sqlState } from '../db/sql-errors.ts';
import { pipeline } from '../db/transaction.ts';
import { countEachUpTo, countUpTo } from '../erasers/probe.ts';
import type { Context } from './context.ts';
import { readRates, rowLimit } from './throughput.ts';

/**
 * Small: fewer rows than the threshold in every location, or less work than it allows. Probed with a
 * limit, never counted in full; what takes long to probe is not small: the account is held meanwhile.
 */
export async function isSmall(tx: Transaction, ctx: Context, key: KeyValue): Promise<boolean> {
  const { lockBudgetMs } = ctx.settings;
  // One statement for a threshold in rows, one for each location for a threshold in time.
  const statements = typeof ctx.catalog.account.threshold === 'number' ? 1 : ctx.catalog.locations.length;
  const limitTo = (db: Transaction, ms: number) => async () => {
    await db.execute(sql`SELECT set_config('statement_timeout', ${`${Math.ceil(ms)}ms`}, true)`);
  };
  try {
    return await tx.transaction(async (probing) => {
      const [, few] = await pipeline([
        limitTo(probing, lockBudgetMs / 2 / statements),
        () => hasFewRows(probing, ctx, key),
      ]);
      await limitTo(probing, lockBudgetMs)();
      return few;
    });
  } catch (error) {
    if (sqlState(error) === '57014') return false;
    throw error;
  }
}

async function hasFewRows(tx: Transaction, ctx: Context, key: KeyValue): Promise<boolean> {
  const { threshold } = ctx.catalog.account;
  if (typeof threshold === 'number') {
    const counts = await countEachUpTo(tx, ctx.catalog.locations, key, threshold);
    return counts.every((rows) => rows < threshold);
  }
  const rates = await readRates(tx);
  let left = threshold.ms;
  for (const location of ctx.catalog.locations) {
    const rate = rates.get(location.name);
    const limit = rowLimit(threshold, rate === undefined ? undefined : rate * left);
    const rows = await countUpTo(tx, location, key, limit);
    if (rows >= limit) return false;
    if (rate !== undefined) left -= rows / rate;
  }
  return true;
}
