import type { Sql } from 'postgres';
import type { CurrentPace } from '../../src/pace/current-pace.ts';
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

/** Rows that slices delete of posts from now on, in the order of their commits: each change of a chunk's count is one slice. */
export async function sliceRows(sql: Sql, erasureId: string, count: number, ms = 60_000): Promise<number[]> {
  // Noted as they happen: between two looks more than one slice may commit.
  await sql.unsafe(`
    CREATE TABLE IF NOT EXISTS slice_seen (id bigint GENERATED ALWAYS AS IDENTITY, chunk_id bigint, rows int);
    CREATE OR REPLACE FUNCTION see_slice() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      INSERT INTO slice_seen (chunk_id, rows) VALUES (NEW.id, NEW.rows_deleted - OLD.rows_deleted); RETURN NULL; END $$;
    CREATE OR REPLACE TRIGGER see_slice AFTER UPDATE ON lethe.chunk FOR EACH ROW
      WHEN (NEW.rows_deleted > OLD.rows_deleted) EXECUTE FUNCTION see_slice()`);
  const [{ last } = { last: 0 }] = await sql<
    { last: number }[]
  >`SELECT coalesce(max(id), 0)::int AS last FROM slice_seen`;
  return until(
    `${count} slices were seen`,
    async () => {
      const seen = await sql<{ rows: number }[]>`
        SELECT s.rows FROM slice_seen s JOIN lethe.chunk c ON c.id = s.chunk_id JOIN lethe.task t ON t.id = c.task_id
         WHERE s.id > ${last} AND t.erasure_id = ${erasureId} AND t.location = 'posts' AND c.pass > 0 ORDER BY s.id`;
      return seen.length >= count && seen.map(({ rows }) => rows);
    },
    ms,
  );
}
