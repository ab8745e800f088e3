import { LetheError } from '../../errors.ts';
import { causeOf } from '../../locations/table/refuse-new-references.ts';
import { isContended, sqlState } from '../../store/sql-errors.ts';
import type { Context } from '../model/context.ts';

/**
 * `completed`: nothing is left and the account row is gone. `more`: a location holds more rows than
 * one transaction may take. `locked`: the application holds locks.
 * `held`: its column says that the account must be kept. `superseded`: somebody else works on it.
 */
export type FinishOutcome = 'completed' | 'more' | 'locked' | 'held' | 'superseded';

/** Carries an outcome out of a transaction that must be rolled back. */
export class Rollback extends Error {
  readonly outcome: FinishOutcome;
  constructor(outcome: FinishOutcome) {
    super(outcome);
    this.outcome = outcome;
  }
}

/** Runs the last transaction. Throws `still_referenced` when a row that is not this account's is in the way. */
export async function outcomeOf(ctx: Context, work: () => Promise<void>): Promise<FinishOutcome> {
  try {
    await work();
    return 'completed';
  } catch (error) {
    if (error instanceof Rollback) return error.outcome;
    if (isContended(error)) return 'locked';
    const cause = await causeOf(ctx.db, ctx.catalog, error);
    throw sqlState(error) === '23503' && cause.code === 'database_error'
      ? new LetheError('still_referenced', cause.detail)
      : cause;
  }
}
