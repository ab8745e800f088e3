import { sql } from 'drizzle-orm';
import type { Database, Executor } from '../store/client.ts';
import { readBy, transaction } from '../store/transaction.ts';
import { breathe } from './breathe.ts';
import { type Day, endOf, type Kept, startOf } from './days.ts';

/** Rows that one statement reads, and that a group of Parquet has. */
export const PAGE_ROWS = 10_000;

const READING = { statementMs: 60_000, lockMs: 2_000 } as const;
const COUNTING = { statementMs: 10 * 60_000, lockMs: 2_000 } as const;

/** Erasures by column, in the order of their time. Times in microseconds since 1970. */
export type Page = {
  readonly rows: number;
  readonly keys: readonly (string | null)[];
  readonly digests: readonly (string | null)[];
  readonly requestedAt: readonly number[];
  readonly erasedAt: readonly number[];
  /** Each is a list of names as JSON. */
  readonly locations: readonly string[];
};

/** The last row that was read: the next page begins after it. */
type Place = { readonly at: number; readonly id: string };

type Read = {
  rows: number;
  last: string;
  keys: string;
  digests: string;
  requested: string;
  erased: string;
  locations: string;
};

const instant = (micros: number) => sql`('epoch'::timestamptz + ${micros}::bigint * interval '1 microsecond')`;

/** A time as whole microseconds. The double is exact to less than one of them until the year 2242. */
const inMicros = (time: string) => sql.raw(`round(date_part('epoch', ${time}) * 1e6)::bigint`);

/** An older event does not name the locations: its tasks do. What is kept there is to be kept elsewhere, too. */
const LOCATIONS = sql.raw(`coalesce(event.data ->> 'locations', (
  SELECT json_agg(task.location ORDER BY task.id)::text FROM lethe.task
   WHERE task.erasure_id = event.erasure_id AND task.action IN ('delete', 'set')), '[]')`);

const inDay = (day: Day) => sql`event.type = 'account.erased' AND event.at < ${instant(endOf(day) * 1000)}`;

/**
 * The erasures of a day, page by page. Each page is a statement of its own that begins after the last row of the page
 * before: a large day has no long snapshot. The next page is read while the caller works with this one. Postgres makes
 * one text of each column, since the driver takes as long for a row of one value as for a page of it.
 */
export async function* readDay(db: Database, day: Day, kept: Kept, signal?: AbortSignal): AsyncGenerator<Page> {
  let next: Promise<Read | undefined> | undefined = readPage(db, day, kept, { at: startOf(day) * 1000, id: '0' });
  try {
    while (next) {
      const read = await next;
      next = undefined;
      signal?.throwIfAborted();
      if (!read || read.rows === 0) return;
      const erasedAt = JSON.parse(read.erased) as number[];
      const at = erasedAt.at(-1) as number;
      if (read.rows === PAGE_ROWS) next = readPage(db, day, kept, { at, id: read.last });
      // Its failure is thrown when it is awaited; until then it must not end the process.
      next?.catch(() => {});
      const keys = JSON.parse(read.keys) as (string | null)[];
      const digests = JSON.parse(read.digests) as (string | null)[];
      await breathe();
      const requestedAt = JSON.parse(read.requested) as number[];
      const locations = JSON.parse(read.locations) as string[];
      yield { rows: read.rows, keys, digests, requestedAt, erasedAt, locations };
    }
  } finally {
    await next?.catch(() => {});
  }
}

async function readPage(db: Database, day: Day, kept: Kept, after: Place): Promise<Read | undefined> {
  const key = kept.keys ? sql`erasure.account_key` : sql`NULL::text`;
  const digest = kept.digests ? sql`erasure.account_digest` : sql`NULL::text`;
  const [read] = await transaction(db, READING, async (tx) => {
    await readBy(tx, 'index');
    return tx.execute<Read>(sql`
      SELECT count(*)::int AS rows, (array_agg(id))[count(*)]::text AS last, json_agg(key)::text AS keys, json_agg(digest)::text AS digests,
             json_agg(requested)::text AS requested, json_agg(erased)::text AS erased,
             json_agg(locations)::text AS locations
        FROM (SELECT event.id, ${key} AS key, ${digest} AS digest, ${inMicros('erasure.requested_at')} AS requested,
                     ${inMicros('event.at')} AS erased, ${LOCATIONS} AS locations
                FROM lethe.event JOIN lethe.erasure ON erasure.id = event.erasure_id
               WHERE ${inDay(day)} AND (event.at, event.id) > (${instant(after.at)}, ${after.id}::bigint)
               ORDER BY event.at, event.id LIMIT ${PAGE_ROWS}) AS page`);
  });
  return read;
}

/** How many events the day has. They are only ever added: an equal number is the same set. */
export async function countDay(db: Database, day: Day): Promise<number> {
  return transaction(db, COUNTING, (tx) => count(tx, day));
}

async function count(tx: Executor, day: Day): Promise<number> {
  const [row] = await tx.execute<{ rows: string }>(sql`
    SELECT count(*)::text AS rows FROM lethe.event
     WHERE ${inDay(day)} AND event.at >= ${instant(startOf(day) * 1000)}`);
  return Number(row?.rows);
}
