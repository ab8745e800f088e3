import { type SQL, sql } from 'drizzle-orm';
import { about, relation } from '../../../catalog/live/statement.ts';
import type { TableLocation } from '../../../catalog/live/types.ts';
import { afterParts, asParts, inOrder, parts, partsAsText, tuple, values, walks } from '../../../keys/sql.ts';
import type { KeyValue } from '../../../keys/types.ts';
import type { Executor } from '../../../store/client.ts';

/**
 * Cuts the account's rows of one location into ranges of `chunkRows` and stores them as chunks, inside the database.
 * This process reads nothing, whatever the size. Returns rows and chunks planned.
 */
export async function planRanges(
  db: Executor,
  location: TableLocation,
  account: KeyValue,
  { taskId, pass, chunkRows }: { taskId: number; pass: number; chunkRows: number },
): Promise<{ rows: number; chunks: number }> {
  const bounds = location.ordered ? soughtBounds : numberedBounds;
  const key = partsAsText(location.key);
  const statement = sql`
    ${bounds(location, account, chunkRows)}, planned AS (
      INSERT INTO lethe.chunk (task_id, pass, number, lower, upper, rows_planned)
      SELECT ${taskId}::bigint, ${pass}::int, row_number() OVER (ORDER BY n), lag(${key}) OVER (ORDER BY n), ${key},
             n - lag(n, 1, 0::bigint) OVER (ORDER BY n)
        FROM bounds
      RETURNING rows_planned
    )
    SELECT coalesce(sum(rows_planned), 0)::text AS rows, count(*)::int AS chunks FROM planned`;
  const [row] = await about(location, () => db.execute<{ rows: string; chunks: number }>(statement));
  return { rows: Number(row?.rows ?? 0), chunks: row?.chunks ?? 0 };
}

/**
 * The bounds, each with `n`, the number of rows up to and including it. Every row gets its number: one pass and,
 * without an index in this order, one sort.
 */
const numberedBounds = (location: TableLocation, account: KeyValue, chunkRows: number): SQL => sql`
  WITH numbered AS (
    SELECT ${asParts('t', location.key)}, row_number() OVER keys AS n, lead(true) OVER keys IS NULL AS last
      FROM ${relation(location)} AS t WHERE ${walks('t', location.account, account)}
    WINDOW keys AS (${inOrder('t', location)})
  ), bounds AS (SELECT * FROM numbered WHERE n % ${chunkRows}::bigint = 0 OR last)`;

/**
 * From bound to bound through the index (account, key): a third of the time, because no row is numbered.
 * What comes after the last whole chunk is counted.
 */
function soughtBounds(location: TableLocation, account: KeyValue, chunkRows: number): SQL {
  const own = walks('t', location.account, account);
  const above = sql`${afterParts('t', location, account, 'b')}
    AND ${tuple('t', location.account)} <= ${values(location.account, account)}`;
  const select = (where: SQL, more: SQL) => sql`
    SELECT ${asParts('t', location.key)} FROM ${relation(location)} AS t WHERE ${where} ${inOrder('t', location)} ${more}`;
  const nth = sql`OFFSET ${chunkRows - 1}::bigint LIMIT 1`;
  const counted = (rows: SQL, base: SQL) => sql`
    SELECT ${parts(location.key)}, ${base} + n AS n FROM (SELECT *, row_number() OVER () AS n FROM (${rows}) AS r) AS rest ORDER BY rest.n DESC LIMIT 1`;
  return sql`
  WITH RECURSIVE whole AS (
    SELECT first.*, ${chunkRows}::bigint AS n FROM (${select(own, nth)}) AS first
    UNION ALL
    SELECT next.*, b.n + ${chunkRows}::bigint FROM whole AS b CROSS JOIN LATERAL (${select(above, nth)}) AS next
  ), bounds AS (
    SELECT * FROM whole
    UNION ALL
    (${counted(select(sql`${own} AND NOT EXISTS (SELECT FROM whole)`, sql``), sql`0`)})
    UNION ALL
    SELECT part.* FROM (SELECT * FROM whole ORDER BY n DESC LIMIT 1) AS b
     CROSS JOIN LATERAL (${counted(select(above, sql``), sql`b.n`)}) AS part
  )`;
}
