import { sql } from 'drizzle-orm';
import type { Transaction } from '../db/client.ts';
import { sanitize } from '../db/sql-errors.ts';
import { afterCommit, limitStatements, pipeline } from '../db/transaction.ts';
import { type AccountRow, findAccount } from '../erasers/account.ts';
import { complete } from './complete.ts';
import { type Context, GIVE_WAY_MS } from './context.ts';
import { eraseRest } from './erase-rest.ts';
import { Rollback } from './finish-outcome.ts';
import { limitsOfSmall } from './is-small.ts';
import type { Erasure } from './states.ts';

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
 * Erases a small account in the transaction that accepts it and holds its row, under its limit: `record` inserts the
 * erasure `id`, and its answers are not waited for. Returns the completed erasure, whose mail gets the id `mail`. Throws `NotErased` for whatever is in the way.
 */
export async function eraseAccepted(
  tx: Transaction,
  ctx: Context,
  { key, email }: AccountRow,
  id: string,
  record: readonly [() => Promise<void>, () => Promise<void>],
  mail: string,
): Promise<Erasure> {
  const limits = { ...limitsOfSmall(ctx), ms: ctx.settings.lockBudgetMs, untouched: true };
  try {
    const [, , , , gone] = await pipeline([
      ...record,
      () => limitStatements(tx, { statementMs: limits.ms, lockMs: GIVE_WAY_MS, reads: 'index' }),
      // No foreign key lets a new row in from here on.
      () => findAccount(tx, ctx.catalog.account, key, 'FOR UPDATE'),
      () => eraseRest(tx, ctx, key, limits),
    ]);
    afterCommit(tx, () => ctx.onDeleted?.(gone));
    const [, completed] = await pipeline([
      // What is left for the commit would fail there, where nobody accepts without erasing, and the next request too.
      () => tx.execute(sql`SET CONSTRAINTS ALL IMMEDIATE`),
      () => complete(tx, ctx, { id, email, completedAt: null, probeAt: null }, gone, mail),
    ]);
    return completed;
  } catch (error) {
    throw new NotErased(error);
  }
}
