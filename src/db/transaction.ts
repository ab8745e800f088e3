import { sql } from 'drizzle-orm';
import type { Database, Transaction } from './client.ts';

/** Limits of one transaction, in milliseconds. */
export type Limits = {
  statementMs: number;
  lockMs: number;
  /** From now to commit, where the server can enforce it (PostgreSQL 17 and newer); elsewhere idle time is capped. */
  totalMs?: number;
};

/** No transaction of ours idles for so long: a process that stands still must not keep its locks. */
const IDLE_MS = 10_000;

/** Sets the limits for the rest of the running transaction. Local settings only: safe behind a transaction pooler. */
export async function setLimits(tx: Transaction, limits: Limits): Promise<void> {
  const ms = (value: number) => `${Math.max(1, Math.round(value))}ms`;
  const total = limits.totalMs === undefined ? '0' : ms(limits.totalMs);
  await tx.execute(sql`
    SELECT set_config('row_security', 'off', true),
           set_config('statement_timeout', ${ms(limits.statementMs)}, true),
           set_config('lock_timeout', ${ms(limits.lockMs)}, true),
           set_config('idle_in_transaction_session_timeout', ${ms(limits.totalMs ?? IDLE_MS)}, true),
           CASE WHEN current_setting('server_version_num')::int >= 170000
                THEN set_config('transaction_timeout', ${total}, true) END`);
}

/**
 * Runs `work` in a READ COMMITTED transaction with limits. `row_security = off` turns a policy that
 * would hide rows into an error: filtered, a DELETE reports 0 rows while the rows stand there.
 */
export async function transaction<T>(db: Database, limits: Limits, work: (tx: Transaction) => Promise<T>): Promise<T> {
  let working: Promise<T> | undefined;
  try {
    return await db.transaction(
      (tx) => {
        working = setLimits(tx, limits).then(() => work(tx));
        return working;
      },
      { isolationLevel: 'read committed' },
    );
  } catch (error) {
    // Where the server has ended the session (a time limit, a restart) the driver reports first that
    // the connection is closed; the error that says why is the one that the work met.
    await working;
    throw error;
  }
}
