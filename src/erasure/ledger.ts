import { sql } from 'drizzle-orm';
import type { Executor } from '../db/client.ts';
import { affected } from '../erasers/sql.ts';
import { LetheError } from '../errors.ts';

/** Ledger entries for rows that were deleted outside a planned chunk. */
export const OUTSIDE = 0;

/**
 * Adds rows that were deleted outside their own planned chunk to the ledger, in the deleting
 * transaction. `number` keeps writers apart: OUTSIDE for the account's own request and finish, which
 * hold the account row, and minus the chunk's id for a slice, which holds that chunk.
 */
export async function recordOutside(
  db: Executor,
  erasureId: string,
  rows: ReadonlyMap<string, number>,
  number: number,
): Promise<void> {
  for (const [location, count] of rows) {
    if (count === 0) continue;
    const written = await affected(
      db,
      sql`
      INSERT INTO lethe.chunk (task_id, pass, number, rows_planned, rows_deleted, finished_at)
      SELECT id, 0, ${number}::bigint, ${count}::bigint, ${count}::bigint, now()
        FROM lethe.task WHERE erasure_id = ${erasureId} AND location = ${location}
      ON CONFLICT (task_id, pass, number) DO UPDATE
         SET rows_deleted = lethe.chunk.rows_deleted + excluded.rows_deleted,
             rows_planned = lethe.chunk.rows_planned + excluded.rows_planned`,
    );
    if (written !== 1) throw new LetheError('location_missing', `${location} has no task: its rows cannot be counted`);
  }
}
