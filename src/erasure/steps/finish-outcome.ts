import { LetheError } from '../../errors.ts';
import { type FinishOutcome, Rollback } from '../../locations/kind.ts';
import { insideKind } from '../../locations/kinds/ask.ts';
import { isContended, sqlState } from '../../store/sql-errors.ts';
import type { Context } from '../model/context.ts';

/** Runs the last transaction. Throws `still_referenced` when a row that is not this account's is in the way. */
export async function outcomeOf(ctx: Context, work: () => Promise<FinishOutcome>): Promise<FinishOutcome> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Rollback) return error.outcome;
    if (isContended(error)) return 'locked';
    const cause = await insideKind(ctx.kinds).causeOf(ctx, error);
    throw sqlState(error) === '23503' && cause.code === 'database_error'
      ? new LetheError('still_referenced', cause.detail)
      : cause;
  }
}
