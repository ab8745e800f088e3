import type { Sql } from 'postgres';

/** State of an erasure. */
export const stateOf = async (sql: Sql, id: string): Promise<string | undefined> =>
  (await sql`SELECT state FROM lethe.erasure WHERE id = ${id}`)[0]?.state;

/** Planned chunks that are finished. */
export async function finishedChunks(sql: Sql, id: string): Promise<number> {
  const [row] = await sql`SELECT count(*)::int AS n FROM lethe.chunk c JOIN lethe.task t ON t.id = c.task_id
    WHERE t.erasure_id = ${id} AND c.pass > 0 AND c.finished_at IS NOT NULL`;
  return Number(row?.n);
}

/** Rows deleted in planned chunks. */
export async function deletedRows(sql: Sql, id: string): Promise<number> {
  const [row] = await sql`SELECT coalesce(sum(c.rows_deleted), 0)::int AS n FROM lethe.chunk c
    JOIN lethe.task t ON t.id = c.task_id WHERE t.erasure_id = ${id} AND c.pass > 0`;
  return Number(row?.n);
}
