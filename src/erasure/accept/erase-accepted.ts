import { LetheError } from '../../errors.ts';
import type { KeyValue } from '../../keys/types.ts';
import { findAccount } from '../../locations/account/row.ts';
import type { Counts } from '../../locations/kind.ts';
import { Rollback } from '../../locations/kind.ts';
import { insideKind } from '../../locations/kinds/ask.ts';
import type { Transaction } from '../../store/client.ts';
import { GIVE_WAY_MS } from '../../store/limits.ts';
import { sanitize } from '../../store/sql-errors.ts';
import { Again, afterCommit, limitStatements, pipeline, written } from '../../store/transaction.ts';
import type { Context } from '../model/context.ts';
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
 * Erases a small account in the transaction that accepts it and has locked its row, under its limit. `record` writes
 * down what is gone, by location: what was `counted`, which is compared with what goes; what it returns is returned.
 * Throws `NotErased` for whatever is in the way, also for a row that has come or gone since it was counted.
 */
export async function eraseAccepted<T>(
  tx: Transaction,
  ctx: Context,
  key: KeyValue,
  counted: Counts,
  record: (gone: Counts) => Promise<T>,
): Promise<T> {
  const { catalog, settings } = ctx;
  const limits = { ...limitsOfSmall(ctx), ms: settings.lockBudgetMs, untouched: true, again: true };
  const expected = new Map([...counted, [catalog.account.table, 1]]);
  try {
    const [, , gone, recorded] = await pipeline([
      () => limitStatements(tx, { statementMs: limits.ms, lockMs: GIVE_WAY_MS, reads: 'index' }),
      // No foreign key lets a new row in from here on.
      () => findAccount(tx, catalog.account, key, 'FOR UPDATE'),
      () => insideKind(ctx.kinds).inside.eraseRest(tx, ctx, key, limits),
      // Put together while the server deletes.
      async () => {
        await written();
        return record(expected);
      },
    ]);
    const other = [...expected].find(([location, rows]) => gone.get(location) !== rows);
    if (other) throw new LetheError('contended', `rows of ${other[0]} have come or gone`);
    afterCommit(tx, () => ctx.onDeleted?.(gone));
    return recorded;
  } catch (error) {
    if (error instanceof Again) throw error;
    throw new NotErased(error);
  }
}
