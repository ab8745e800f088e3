import { LetheError } from '../../errors.ts';
import { outlives } from '../../locations/kinds/ask.ts';
import { isContended, sqlState } from '../../store/sql-errors.ts';
import { transaction } from '../../store/transaction.ts';
import type { Context } from '../model/context.ts';
import { type Accepted, accept, type Request, type Way } from './accept.ts';
import { NotErased } from './erase-accepted.ts';
import { findRecorded } from './find-recorded.ts';
import { ProbeTooLong } from './is-small.ts';

const ATTEMPTS = 3;
/** 55P03 lock not available, 40P01 deadlock, 40001 serialization: somebody else's lock. Other contention is time. */
const LOCKED = new Set(['55P03', '40P01', '40001']);

/**
 * Accepts a request in one transaction: erasure, tasks, event, the account's flag, and its sessions gone. Where they
 * are many, take long or stay locked, the workers delete the rest at once (`rest`). With `eraseSmall` a small account
 * is erased by the same transaction; should that fail, it is accepted all the same, in state `running`. Returns the
 * live erasure when there is one, and the finished one of an account that is gone. Throws `not_found` for an unknown
 * account, and `account_busy` while the application locks its row. Throws `too_slow`, with nothing changed, when a
 * statement takes too long or its turn comes after `until` (milliseconds of `performance.now()`). Work for somebody who
 * has been told that it failed would keep the next ones waiting, too.
 */
export async function requestErasure(
  ctx: Context,
  request: Request,
  { eraseSmall = false, until = Number.POSITIVE_INFINITY }: { eraseSmall?: boolean; until?: number } = {},
): Promise<Accepted> {
  const { lockBudgetMs } = ctx.settings;
  // A threshold in time may be more than the acceptance has.
  const inRows = typeof ctx.catalog.account.threshold === 'number';
  // What outlives the account has steps of its own, which the accepting transaction does not begin.
  const alone = !ctx.catalog.locations.some((l) => outlives(ctx.kinds, l));
  const way: Way = { probe: true, erase: eraseSmall && inRows && alone, deleteSessions: true };
  let contended = 0;
  for (;;) {
    try {
      return await transaction(
        ctx.db,
        // Less for a lock, so that the error says which of the two it was.
        { statementMs: lockBudgetMs / 2, lockMs: 0.4 * lockBudgetMs, totalMs: lockBudgetMs },
        async (tx) => {
          if (performance.now() >= until) throw new LetheError('too_slow', 'no connection was free in time; try again');
          return accept(tx, ctx, request, way);
        },
        { prepared: true },
      );
    } catch (error) {
      if (error instanceof ProbeTooLong || (way.probe && isOtherSchema(error))) {
        way.probe = false;
        continue;
      }
      const unerased = error instanceof NotErased;
      if (!unerased && !isContended(error)) throw error;
      // To accept comes first. Also where the server has ended the session: the erasing may have taken too long.
      const erased = way.erase;
      way.erase = false;
      if (unerased) {
        ctx.log.info(error.why, 'a small account is not erased by its acceptance, but after it');
        continue;
      }
      // Deleting sessions must not skip a locked one, so the whole acceptance gives way and comes again. But it must not
      // fail for one: what takes too long or stays locked is left to the workers.
      const locked = LOCKED.has(sqlState(error) ?? '');
      const recorded = locked ? await findRecorded(ctx, request) : null;
      if (recorded) return { erasure: recorded, created: false };
      contended += 1;
      if (contended === ATTEMPTS - 1 || !(locked || erased)) way.deleteSessions = false;
      if (contended < ATTEMPTS) continue;
      if (locked) throw new LetheError('account_busy', 'the application has locked rows of the account; try again');
      throw new LetheError(
        'too_slow',
        'accepting it took too long, and nothing was changed: the database is slow, or a trigger on the account’s table; try again',
      );
    }
  }
}

/** A table or column is gone, or not for us any more: what is missing cannot be counted, and stops the erasure later. */
const isOtherSchema = (error: unknown) => ['42P01', '42703', '42501', '42883'].includes(sqlState(error) ?? '');
