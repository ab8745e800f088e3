import { sql } from 'drizzle-orm';
import type { Catalog } from '../catalog/live/types.ts';
import { hasKey } from '../keys/test-data.ts';
import type { KeyValue } from '../keys/types.ts';
import { type AskedLocation, valuesOf } from '../locations/asked.ts';
import type { Database } from '../store/client.ts';
import { transaction } from '../store/transaction.ts';

/** As many as a call has. */
const MOST_KEYS = 1_000;
const READING = { statementMs: 10_000, lockMs: 2_000 };

/** What a partner is told of the planted rows, and of the account's, as the erasure will have it. */
export type ToldOf = { keys: string[] | null; values: Record<string, string | null> };

/** Reads it from the tables, before anything is erased. */
export async function readTold(
  db: Database,
  { account, tables }: Catalog,
  location: Pick<AskedLocation, 'each' | 'select'>,
  key: KeyValue,
): Promise<ToldOf> {
  const { each, select } = location;
  const from = each && tables.find(({ name }) => name === each.location);
  return transaction(db, READING, async (tx) => {
    const rows =
      from &&
      (await tx.execute<{ key: string }>(sql`
        SELECT ${sql.identifier(each.column)}::text AS key FROM ${sql.identifier(from.schema)}.${sql.identifier(from.table)}
         WHERE ${sql.identifier(each.column)} IS NOT NULL AND ${hasKey(from.account, key)} LIMIT ${MOST_KEYS}`));
    const names = Object.values(select);
    if (names.length === 0) return { keys: rows?.map((row) => row.key) ?? null, values: {} };
    const columns = names.map((name) => sql`${sql.identifier(name)}::text AS ${sql.identifier(name)}`);
    const [row] = await tx.execute<Record<string, string | null>>(sql`
      SELECT ${sql.join(columns, sql`, `)} FROM ${sql.identifier(account.schema)}.${sql.identifier(account.table)}
       WHERE ${hasKey(account.key, key)}`);
    return { keys: rows?.map((told) => told.key) ?? null, values: valuesOf(select, row) };
  });
}
