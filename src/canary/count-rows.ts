import { sql } from 'drizzle-orm';
import type { AccountTable, Catalog, TableName } from '../catalog/live/types.ts';
import { hasKey } from '../keys/test-data.ts';
import type { KeyColumns, KeyValue } from '../keys/types.ts';
import type { Database, Transaction } from '../store/client.ts';
import { sanitize } from '../store/sql-errors.ts';
import { transaction } from '../store/transaction.ts';

/** A table without an index is read whole. */
const LOOKING = { statementMs: 60_000, lockMs: 2_000 };

/** Rows by location, and whether the account's own row is there. `unseen`: why a location could not be looked at. */
export type Counted = {
  readonly rows: ReadonlyMap<string, number>;
  readonly unseen: ReadonlyMap<string, string>;
  readonly account: boolean;
};

/**
 * Counts what the tables of a catalog hold of an account. It shares no statement with what erases: a mistake there must
 * not be made here as well. Row security cannot hide a row, since it is an error in each transaction.
 */
export async function countRows(db: Database, catalog: Catalog, key: KeyValue): Promise<Counted> {
  const rows = new Map<string, number>();
  const unseen = new Map<string, string>();
  const count = async (table: TableName, columns: KeyColumns): Promise<number> =>
    transaction(db, LOOKING, (tx) => countIn(tx, table, columns, key));
  const account: AccountTable = catalog.account;
  const own = await count(account, account.key);
  for (const location of catalog.tables) {
    try {
      rows.set(location.name, await count(location, location.account));
    } catch (error) {
      const { code, detail } = sanitize(error);
      if (code === 'database_unavailable') throw error;
      unseen.set(location.name, detail);
    }
  }
  return { rows, unseen, account: own > 0 };
}

async function countIn(
  tx: Transaction,
  { schema, table }: TableName,
  columns: KeyColumns,
  key: KeyValue,
): Promise<number> {
  const [row] = await tx.execute<{ n: number }>(sql`
    SELECT count(*)::int AS n FROM ${sql.identifier(schema)}.${sql.identifier(table)}
     WHERE ${hasKey(columns, key)}`);
  return row?.n ?? 0;
}
