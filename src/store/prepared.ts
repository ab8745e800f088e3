import type { Database, Transaction } from './client.ts';
import { sqlState } from './sql-errors.ts';

/**
 * Databases that a pooler stands before: there a transaction gets whichever session is free, and what an earlier one
 * prepared is in another session.
 */
const pooled = new WeakSet<Database>();

/**
 * From the first `direct` session on, statements that ask for it stay prepared on the connections of this pool. After
 * one that is not direct they are never prepared again.
 */
export function learnFrom(db: Database, direct: boolean): void {
  if (!direct) pooled.add(db);
  // Not the driver's `prepare`, which would prepare its own COMMIT as well: see scripts/patch-postgres.mjs.
  Object.assign(db.$client.options, { asked: !pooled.has(db) });
}

/**
 * True when a transaction failed only because of what was prepared, and runs again without. 26000: the session does not
 * have it, and from now on none is prepared. 0A000: a migration has changed a type that it returns.
 */
export function failedPrepared(db: Database, error: unknown): boolean {
  const state = sqlState(error);
  if (state === '26000') learnFrom(db, false);
  return state === '26000' || state === '0A000';
}

/** What a statement needs and returns, by the numbers of the server's types. */
export type Statement = { types: readonly number[]; columns?: readonly { type: number }[] | null };

type Client = {
  unsafe(text: string, values?: unknown[], options?: object): { describe(): PromiseLike<Statement> };
};

/** The driver's own client of a transaction, for what Drizzle has no word for. */
export const driverOf = (tx: Transaction): Client => (tx as unknown as { session: { client: Client } }).session.client;

/**
 * Keeps the statements of this transaction prepared, where statements may be. Parsing and planning them takes the
 * server as long as deleting 500 rows. Only for transactions with few different texts, since each stays in its session.
 * A plan that is kept knows no values. So a key, an order with a limit, or `readBy` must settle how it reads the
 * application's tables.
 */
export function keepStatements(tx: Transaction): void {
  // Drizzle asks for it statement by statement, and builds the text anew for each; the driver knows a text again.
  const client = driverOf(tx);
  const { unsafe } = client;
  client.unsafe = (text, values, options) => unsafe(text, values, { ...options, prepare: true, simple: false });
}

/**
 * Begins a transaction whose statements are kept. Where they may be, its BEGIN goes out with the first ones instead of
 * waiting for an answer of its own. A BEGIN that fails takes them along.
 */
export function beginTogether<T>(db: Database, begin: () => Promise<T>): Promise<T> {
  const options = db.$client.options as { asked?: boolean; together?: boolean };
  options.together = options.asked === true;
  try {
    // The driver looks while it is being called.
    return begin();
  } finally {
    options.together = false;
  }
}
