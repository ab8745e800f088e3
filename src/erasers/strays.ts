import { sql } from 'drizzle-orm';
import type { StrayPath } from '../catalog/strays.ts';
import type { KeyValue } from '../catalog/types.ts';
import type { Transaction } from '../db/client.ts';
import { readBy } from '../db/transaction.ts';
import { belongsTo, joins, relation, walks } from './sql.ts';

/**
 * Rows of others that reference the account's rows by one foreign key, counted up to `limit`. Reads the account's parents
 * through their index and, parent by parent, what references them: left to the planner it may read the whole table.
 */
export async function countStrays(
  tx: Transaction,
  { child, owner, columns, parent, referenced }: StrayPath,
  account: KeyValue,
  limit: number,
): Promise<number> {
  await readBy(tx, 'index');
  const { type } = parent.account[0];
  const others = owner ? sql`${belongsTo('c', [{ name: owner, type }], account)} IS NOT TRUE` : sql`true`;
  const [row] = await tx.execute<{ n: number }>(sql`
    SELECT count(*)::int AS n FROM (
      SELECT 1 FROM ${relation(parent)} AS p CROSS JOIN LATERAL (
        SELECT 1 FROM ${relation(child)} AS c
         WHERE ${joins('c', columns, 'p', referenced)} AND ${others} LIMIT ${limit}) AS found
       WHERE ${walks('p', parent.account, account)} LIMIT ${limit}) AS sample`);
  return row?.n ?? 0;
}
