import type { Sql } from 'postgres';
import type { CurrentPace } from '../../src/erasure/current-pace.ts';
import { until } from './until.ts';

/** What the cluster goes by, as it is stored; undefined before the first reading. */
export async function paceIn(sql: Sql): Promise<(CurrentPace & { changedAt: Date; sampledAt: Date }) | undefined> {
  const [row] = await sql`
    SELECT pace, step, slots, words, signals, changed_at AS "changedAt", sampled_at AS "sampledAt" FROM lethe.pace`;
  return row as (CurrentPace & { changedAt: Date; sampledAt: Date }) | undefined;
}

/** Waits until the cluster is slowed to this step at least, for this reason; returns what is stored then. */
export const untilSlowed = (sql: Sql, step: number, words: RegExp, ms = 40_000) =>
  until(
    `step ${step} because of ${words}`,
    async () => {
      const now = await paceIn(sql);
      return now && now.step >= step && words.test(now.words ?? '') ? now : undefined;
    },
    ms,
  );

/** Waits until nothing slows the cluster any more. */
export const untilRecovered = (sql: Sql, ms = 60_000) =>
  until(
    'step 0',
    async () => {
      const now = await paceIn(sql);
      return now?.step === 0 && now.words === null ? now : undefined;
    },
    ms,
  );

/** Rows that slices have deleted of a location, as they commit: each change of the ledger is one slice. */
export async function sliceRows(sql: Sql, erasureId: string, count: number, ms = 60_000): Promise<number[]> {
  const seen = new Map<string, number>();
  const rows: number[] = [];
  let first = true;
  await until(
    `${count} slices were seen`,
    async () => {
      const chunks = await sql<{ id: string; rows: number }[]>`
        SELECT c.id::text, c.rows_deleted::int AS rows FROM lethe.chunk c JOIN lethe.task t ON t.id = c.task_id
         WHERE t.erasure_id = ${erasureId} AND t.location = 'posts' AND c.pass > 0`;
      for (const chunk of chunks) {
        const delta = chunk.rows - (seen.get(chunk.id) ?? 0);
        if (!first && delta > 0) rows.push(delta);
        seen.set(chunk.id, chunk.rows);
      }
      first = false;
      return rows.length >= count;
    },
    ms,
  );
  return rows;
}
