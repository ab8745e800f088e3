import { sql } from 'drizzle-orm';
import type { StrayPath } from '../../../catalog/checks/strays.ts';
import { joins, relation } from '../../../catalog/live/statement.ts';
import { asText, belongsTo, walks } from '../../../keys/sql.ts';
import type { KeyValue } from '../../../keys/types.ts';
import type { Transaction } from '../../../store/client.ts';
import { readBy } from '../../../store/transaction.ts';

/** What `countStrays` found. `keys`: of the first few, as texts; empty for a table that the catalog does not list. */
export type Found = { rows: number; keys: string[][] };

/** Enough for whoever looks at one of them to see what kind they are. */
const SHOWN = 5;

/**
 * Rows of others that reference the account's rows by one foreign key, counted up to `limit`. Reads the account's parents
 * through their index and, parent by parent, what references them: left to the planner it may read the whole table.
 */
export async function countStrays(
  tx: Transaction,
  { child, owner, columns, parent, referenced }: StrayPath,
  account: KeyValue,
  limit: number,
): Promise<Found> {
  await readBy(tx, 'index');
  const others = owner ? sql`${belongsTo('c', owner, account)} IS NOT TRUE` : sql`true`;
  const key = 'key' in child ? asText('c', child.key) : sql`NULL`;
  const [row] = await tx.execute<Found>(sql`
    WITH sample AS MATERIALIZED (
      SELECT found.key FROM ${relation(parent)} AS p CROSS JOIN LATERAL (
        SELECT ${key} AS key FROM ${relation(child)} AS c
         WHERE ${joins('c', columns, 'p', referenced)} AND ${others} LIMIT ${limit}) AS found
       WHERE ${walks('p', parent.account, account)} LIMIT ${limit})
    SELECT (SELECT count(*)::int FROM sample) AS rows,
           coalesce((SELECT jsonb_agg(few.key) FROM (SELECT key FROM sample WHERE key IS NOT NULL LIMIT ${SHOWN}) AS few),
                    '[]') AS keys`);
  return row ?? { rows: 0, keys: [] };
}
