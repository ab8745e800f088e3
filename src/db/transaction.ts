import { sql } from 'drizzle-orm';
import type { Database, Transaction } from './client.ts';

/** Limits of one transaction, in milliseconds. */
export type Limits = {
  statementMs: number;
  lockMs: number;
  /** From now to commit, where the server can enforce it (PostgreSQL 17 and newer); elsewhere idle time is capped. */
  totalMs?: number;
};

/** Sets the limits for the rest of the running transaction. Local settings only: safe behind a transaction pooler. */
export async function setLimits(tx: Transaction, limits: Limits): Promise<void> {
  const ms = (value: number) => `${Math.max(1, Math.round(value))}ms`;
  const total = limits.totalMs === undefined ? '0' : ms(limits.totalMs);
  await tx.execute(sql`
    SELECT set_config('row_security', 'off', true),
           set_config('statement_timeout', ${ms(limits.statementMs)}, true),
           set_config('lock_timeout', ${ms(limits.lockMs)}, true),
           set_config('idle_in_transaction_session_timeout', ${total}, true),
           CASE WHEN current_setting('server_version_num')::int >= 170000
                THEN set_config('transaction_timeout', ${total}, true) END`);
}

/**
 * Runs `work` in a READ COMMITTED transaction with limits. `row_security = off` turns a policy that
 * would hide rows into an error: filtered, a DELETE reports 0 rows while the rows stand there.
 */
export async function transaction<T>(db: Database, limits: Limits, work: (tx: Transaction) => Promise<T>): Promise<T> {
  return db.transaction(
    async (tx) => {
      await setLimits(tx, limits);
      return work(tx);
    },
    { isolationLevel: 'read committed' },
  );
}
