import type { Database, Transaction } from './client.ts';
import { sqlState } from './sql-errors.ts';

/**
 * Databases that a pooler stands before: there a transaction gets whichever session is free, and what an earlier one
 * prepared is in another session.
 */
const pooled = new WeakSet<Database>();

/**
 * From the first `direct` session on, statements may stay prepared on the connections of this pool; for good
 * no more after one that is not.
 */
export function learnFrom(db: Database, direct: boolean): void {
  if (!direct) pooled.add(db);
  db.$client.options.prepare = !pooled.has(db);
}

/** True when a statement that should have been prepared was not there. From now on none is prepared. */
export function wasElsewhere(db: Database, error: unknown): boolean {
  if (sqlState(error) !== '26000') return false;
  learnFrom(db, false);
  return true;
}

type Unsafe = (text: string, values?: unknown[], options?: object) => unknown;

/**
 * Keeps the statements of this transaction prepared, where statements may be. Parsing and planning them takes the server as long
 * as deleting 500 rows. Only for transactions with few different texts, since each stays in its session, and whose
 * reading of the application's tables is settled by a key, an order with a limit, or `readBy`: a plan that is kept knows no values.
 */
export function keepStatements(tx: Transaction): void {
  // Drizzle asks for it statement by statement, and builds the text anew for each; the driver knows a text again.
  const { client } = (tx as unknown as { session: { client: { unsafe: Unsafe } } }).session;
  const { unsafe } = client;
  client.unsafe = (text, values, options) => unsafe(text, values, { ...options, prepare: true });
}
