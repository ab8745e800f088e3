import { sql } from 'drizzle-orm';
import type { KeyValue, Location } from '../catalog/types.ts';
import type { Executor } from '../db/client.ts';
import { asText, inOrder, relation, walks } from './sql.ts';

/**
 * Cuts the account's rows of one location into ranges of `chunkRows` and stores them as chunks, inside
 * the database: nothing is read by this process, whatever the size. Returns rows and chunks planned.
 */
export async function planRanges(
  db: Executor,
  location: Location,
  account: KeyValue,
  taskId: number,
  pass: number,
  chunkRows: number,
): Promise<{ rows: number; chunks: number }> {
  const [row] = await db.execute<{ rows: string; chunks: number }>(sql`
    WITH numbered AS (
      SELECT ${asText('t', location.key)} AS key,
             row_number() OVER keys AS n,
             lead(true) OVER keys IS NULL AS last
        FROM ${relation(location)} AS t
       WHERE ${walks('t', location.account, account)}
      WINDOW keys AS (${inOrder('t', location)})
    ), bounds AS (
      SELECT key, n, row_number() OVER (ORDER BY n) AS number FROM numbered WHERE n % ${chunkRows}::bigint = 0 OR last
    ), planned AS (
      INSERT INTO lethe.chunk (task_id, pass, number, lower, upper, rows_planned)
      SELECT ${taskId}::bigint, ${pass}::int, number, lag(key) OVER (ORDER BY n), key, n - lag(n, 1, 0::bigint) OVER (ORDER BY n)
        FROM bounds
      RETURNING rows_planned
    )
    SELECT coalesce(sum(rows_planned), 0)::text AS rows, count(*)::int AS chunks FROM planned`);
  return { rows: Number(row?.rows ?? 0), chunks: row?.chunks ?? 0 };
}
