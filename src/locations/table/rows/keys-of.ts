import type { SQL } from 'drizzle-orm';
import { about } from '../../../catalog/live/statement.ts';
import type { TableLocation } from '../../../catalog/live/types.ts';
import type { Transaction } from '../../../store/client.ts';

/** Runs a statement that selects keys of rows as `key`. */
export async function keysOf(tx: Transaction, location: TableLocation, statement: SQL): Promise<string[][]> {
  const rows = await about(location, () => tx.execute<{ key: string[] }>(statement));
  return rows.map((row) => row.key);
}
