import { sql } from 'drizzle-orm';
import type { KeyValue } from '../catalog/types.ts';
import type { Transaction } from '../db/client.ts';
import { sanitize } from '../db/sql-errors.ts';
import { afterCommit, limitStatements, pipeline } from '../db/transaction.ts';
import { findAccount } from '../erasers/account.ts';
import { type Context, GIVE_WAY_MS } from './context.ts';
import { eraseRest } from './erase-rest.ts';
import { Rollback } from './finish-outcome.ts';
import { limitsOfSmall } from './is-small.ts';

/** A small account was not erased by the transaction that accepts it: roll back, and accept it without. `why` holds no values. */
export class NotErased extends Error {
  readonly why: { outcome: string } | { code: string; detail: string };
  constructor(cause: unknown) {
    super('not erased with its acceptance', { cause });
    const { code, detail } = sanitize(cause);
    this.why = cause instanceof Rollback ? { outcome: cause.outcome } : { code, detail };
  }
}

/**
 * Erases a small account in the transaction that accepts it and holds its row, under its limit. `record` writes down
 * what is gone, by location; what it returns is returned. Throws `NotErased` for whatever is in the way.
 */
export async function eraseAccepted<T>(
  tx: Transaction,
  ctx: Context,
  key: KeyValue,
  record: (gone: ReadonlyMap<string, number>) => Promise<T>,
): Promise<T> {
  const limits = { ...limitsOfSmall(ctx), ms: ctx.settings.lockBudgetMs, untouched: true, again: true };
  try {
    const [, , gone] = await pipeline([
      () => limitStatements(tx, { statementMs: limits.ms, lockMs: GIVE_WAY_MS, reads: 'index' }),
      // No foreign key lets a new row in from here on.
      () => findAccount(tx, ctx.catalog.account, key, 'FOR UPDATE'),
      () => eraseRest(tx, ctx, key, limits),
    ]);
    afterCommit(tx, () => ctx.onDeleted?.(gone));
    const [, recorded] = await pipeline([
      // What is left for the commit would fail there, where nobody accepts without erasing, and the next request too.
      () => tx.execute(sql`SET CONSTRAINTS ALL IMMEDIATE`),
      () => record(gone),
    ]);
    return recorded;
  } catch (error) {
    throw new NotErased(error);
  }
}
