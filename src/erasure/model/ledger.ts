import { type SQL, sql } from 'drizzle-orm';
import { LetheError } from '../../errors.ts';
import { affected } from '../../store/affected.ts';
import type { Executor } from '../../store/client.ts';

/** Ledger entries for rows that were deleted outside a planned chunk. */
export const OUTSIDE = 0;

/**
 * Adds rows that were deleted outside their own planned chunk to the ledger, in the deleting transaction. `number`
 * keeps writers apart. OUTSIDE is for the account's own request and finish, which have the account row locked. Minus
 * the chunk's id is for a slice, which has that chunk locked.
 */
export async function recordOutside(
  db: Executor,
  erasureId: string,
  rows: ReadonlyMap<string, number>,
  number: number,
): Promise<void> {
  const counted = [...rows].filter(([, count]) => count > 0);
  if (counted.length === 0) return;
  const tasks = sql`SELECT id, location FROM lethe.task WHERE erasure_id = ${erasureId}`;
  const written = await affected(
    db,
    sql`
      ${insertOutside(sql`(${tasks})`, countedRows(rows), number)}
      ON CONFLICT (task_id, pass, number) DO UPDATE
         SET rows_deleted = lethe.chunk.rows_deleted + excluded.rows_deleted,
             rows_planned = lethe.chunk.rows_planned + excluded.rows_planned`,
  );
  if (written !== counted.length) {
    const names = counted.map(([location]) => location).join(', ');
    throw new LetheError('location_missing', `one of ${names} has no task: its rows cannot be counted`);
  }
}

/** Rows by location, as one parameter. */
export const countedRows = (rows: ReadonlyMap<string, number>): string =>
  JSON.stringify(Object.fromEntries([...rows].filter(([, count]) => count > 0)));

/** The statement that does it for the first time, for `tasks`: a query of `id` and `location`, or the name of one. */
export const insertOutside = (tasks: SQL, counted: string, number: number): SQL => sql`
  INSERT INTO lethe.chunk (task_id, pass, number, rows_planned, rows_deleted, finished_at)
  SELECT t.id, 0, ${number}::bigint, v.rows, v.rows, now()
    FROM (SELECT key AS location, value::bigint AS rows
            FROM jsonb_each_text(${counted}::jsonb)) AS v
    JOIN ${tasks} AS t ON t.location = v.location
   ORDER BY t.id`;
