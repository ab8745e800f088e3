import type { Sql } from 'postgres';
import type { Producers } from '../../src/jobs/redis/producers.ts';
import { until } from './until.ts';

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

/**
 * Waits until no job is left that waits or runs. One that never ends would be a leak, and an entry in `active` would take
 * one of the cluster's slots for ever.
 */
export async function untilIdle({ queues }: Producers): Promise<void> {
  await until('no job is left', async () => {
    const counts = await Promise.all(
      [queues.erasures, queues.chunks, queues.mail].map((queue) =>
        queue.getJobCountByTypes('waiting', 'active', 'prioritized', 'waiting-children'),
      ),
    );
    return counts.every((n) => n === 0);
  });
}
