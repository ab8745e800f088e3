import { sql } from 'drizzle-orm';
import type { AccountTable } from '../../catalog/live/types.ts';
import { decodeKey } from '../../keys/encode.ts';
import { findEarlier } from '../../locations/account/find-earlier.ts';
import { forgetAddress } from '../../mail/forget-address.ts';
import type { Executor, Transaction } from '../../store/client.ts';
import { OWN_TABLES } from '../../store/limits.ts';
import { isContended } from '../../store/sql-errors.ts';
import { afterCommit, transaction } from '../../store/transaction.ts';
import { withCatalogOrCurrent } from './catalog-of.ts';
import type { Context } from './context.ts';
import { type Erasure, type State, transition } from './states.ts';

/** Somebody waits for the answer. */
const LOOKING = { statementMs: 1_000, lockMs: 500 } as const;

/** True when the account that has the key now is not the one that this erasure is about. */
export const hasNewerAccount = async (
  db: Executor,
  table: AccountTable,
  of: Pick<Erasure, 'id' | 'accountKey'>,
): Promise<boolean> =>
  of.accountKey !== null && (await findEarlier(db, table, decodeKey(table.key, of.accountKey), [of.id])).size > 0;

/** The same for whoever has no transaction open. False where no catalog says anything about its accounts. */
export async function isOfEarlierAccount(ctx: Context, of: Erasure): Promise<boolean> {
  const table = (await withCatalogOrCurrent(ctx, of))?.catalog.account;
  if (!table || of.accountKey === null) return false;
  return transaction(ctx.db, LOOKING, (tx) => hasNewerAccount(tx, table, of));
}

/**
 * Erasures of one key for somebody who looks for its account: those of an earlier one say that somebody new has it.
 * They stay as they are without a key, and while the application has locked its table: nobody must be kept from looking.
 */
export async function markEarlier(
  ctx: Context,
  accountKey: string | null | undefined,
  erasures: Erasure[],
): Promise<Erasure[]> {
  if (accountKey === null || accountKey === undefined) return erasures;
  const ids = erasures.map((e) => e.id);
  const { account } = ctx.catalog;
  const earlier = await transaction(ctx.db, LOOKING, (tx) =>
    findEarlier(tx, account, decodeKey(account.key, accountKey), ids),
  ).catch((error: unknown) => {
    if (isContended(error)) return new Set<string>();
    throw error;
  });
  const now = new Date();
  return erasures.map((e) => (earlier.has(e.id) ? { ...e, newerAccountAt: e.newerAccountAt ?? now } : e));
}

/**
 * Closes a live erasure whose account is gone while somebody new has its key. `cancelled`, since nothing proves that
 * the old account's rows are gone; one that had been completed before is completed again. Null: somebody was faster.
 */
export async function closeForNewerAccount(tx: Transaction, ctx: Context, of: Erasure): Promise<Erasure | null> {
  const to = of.completedAt ? 'completed' : 'cancelled';
  const closed = await transition(
    tx,
    of.id,
    of.state as State,
    to,
    {
      newerAccountAt: sql`now()`,
      probeAt: null,
      retryAt: null,
      signOutAt: null,
      ...(of.completedAt ? {} : { cancelledAt: sql`now()` }),
    },
    { data: { newerAccount: true } },
  );
  if (!closed) return null;
  if (of.completedAt) {
    await tx.execute(sql`UPDATE lethe.task SET state = 'done', last_error = NULL, finished_at = now()
      WHERE erasure_id = ${of.id} AND state <> 'done'`);
  } else await forgetAddress(tx, of.id);
  afterCommit(tx, () =>
    ctx.log.warn({ erasureId: of.id }, 'closed: an account with this key exists again, and its rows are not touched'),
  );
  return closed;
}

/** Closes the erasure if its account is gone and somebody new has its key; null: it may go on. */
export async function closeIfNewerAccount(ctx: Context, of: Erasure): Promise<Erasure | null> {
  return transaction(ctx.db, OWN_TABLES, async (tx) =>
    (await hasNewerAccount(tx, ctx.catalog.account, of)) ? closeForNewerAccount(tx, ctx, of) : null,
  );
}
