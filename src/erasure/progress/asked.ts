import { sql } from 'drizzle-orm';
import { insideNames } from '../../locations/kinds/ask.ts';
import type { Executor } from '../../store/client.ts';
import { fromMs, inMs } from '../../store/milliseconds.ts';
import type { Context } from '../model/context.ts';

/** How it stands with a partner that has not acknowledged all that it was asked for. */
export type Asked = {
  /** Calls without an answer that settles them, counted to `MOST_CALLS`. */
  waiting: number;
  /** Of these, those that were accepted and are to be acknowledged. */
  accepted: number;
  /** The most tries in a row without success, of one of these calls. */
  tries: number;
  /** When the first of them was asked; null: none was yet. */
  askedAt: Date | null;
  /** The last answer in words, or the partner's last failure where these calls have none; null: there was none. */
  lastAnswer: string | null;
  lastAt: Date | null;
  /** When one of them is asked (again). It may be past: then it is any moment. */
  nextTryAt: Date | null;
  /** A worker has until then to ask. */
  askingUntil: Date | null;
  /** Since when the partner's circuit is open; null: closed. */
  openSince: Date | null;
  /** The partner has asked for a pause until then. */
  pausedUntil: Date | null;
};

/** True where all that is outstanding was accepted, and is to be acknowledged. */
export const isAccepted = ({ accepted, waiting }: Asked): boolean => accepted === waiting;

/** Counted no further: an account may have millions of rows that a partner is told of. */
export const MOST_CALLS = 1000;

type Row = Record<'name' | 'lastAnswer' | 'failure', string> &
  Record<'waiting' | 'accepted' | 'tries', number> &
  Record<'askedAt' | 'lastAt' | 'nextAt' | 'askingUntil' | 'openSince' | 'probeAt' | 'pausedUntil', number | null>;

/** What is outstanding of an erasure, by the name of the location: of its tasks that await an answer. One statement. */
export async function readAsked(db: Executor, erasureId: string): Promise<ReadonlyMap<string, Asked>> {
  const rows = await db.execute<Row>(sql`
    SELECT t.location AS name, c.*, p.words AS failure, ${inMs(sql`p.opened_at`)} AS "openSince",
           ${inMs(sql`p.probe_at`)} AS "probeAt", ${inMs(sql`p.paused_until`)} AS "pausedUntil"
      FROM lethe.task t LEFT JOIN lethe.partner p ON p.name = t.location CROSS JOIN LATERAL (
           SELECT count(*)::int AS waiting, (count(*) FILTER (WHERE state = 'accepted'))::int AS accepted,
                  coalesce(max(attempts), 0)::int AS tries, ${inMs(sql`min(asked_at)`)} AS "askedAt",
                  ${inMs(sql`max(last_at)`)} AS "lastAt", ${inMs(sql`min(next_at)`)} AS "nextAt",
                  ${inMs(sql`max(leased_until)`)} AS "askingUntil",
                  (array_agg(last_words ORDER BY last_at DESC NULLS LAST)
                     FILTER (WHERE last_words IS NOT NULL))[1] AS "lastAnswer"
             FROM (SELECT * FROM lethe.call WHERE task_id = t.id AND state IN ('open', 'accepted')
                    LIMIT ${MOST_CALLS}) AS outstanding) AS c
     WHERE t.erasure_id = ${erasureId} AND t.state = 'awaiting'`);
  return new Map(rows.map((row) => [row.name, askedOf(row)]));
}

function askedOf(row: Row): Asked {
  const at = (ms: number | null) => (ms === null ? null : fromMs(ms));
  const later = [row.nextAt, row.openSince === null ? null : row.probeAt, row.pausedUntil];
  return {
    waiting: row.waiting,
    accepted: row.accepted,
    tries: row.tries,
    askedAt: at(row.askedAt),
    lastAnswer: row.lastAnswer ?? row.failure,
    lastAt: at(row.lastAt),
    nextTryAt: row.nextAt === null ? null : fromMs(Math.max(...later.map((ms) => ms ?? 0))),
    askingUntil: at(row.askingUntil),
    openSince: at(row.openSince),
    pausedUntil: at(row.pausedUntil),
  };
}

/** Names of the partners that have not acknowledged, for each of these erasures that waits for one. */
export async function readOutstanding(
  db: Executor,
  erasureIds: readonly string[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  if (erasureIds.length === 0) return new Map();
  const rows = await db.execute<{ id: string; names: string[] }>(sql`
    SELECT erasure_id AS id, json_agg(location ORDER BY stage, location) AS names FROM lethe.task
     WHERE erasure_id IN (SELECT id::uuid FROM jsonb_array_elements_text(${JSON.stringify(erasureIds)}::jsonb) AS wanted (id))
       AND state = 'awaiting' GROUP BY erasure_id`);
  return new Map(rows.map((row) => [row.id, row.names]));
}

/** True for an erasure with a task whose data is in another system. */
export async function hasPartners({ db, kinds }: Pick<Context, 'db' | 'kinds'>, erasureId: string): Promise<boolean> {
  const here = sql.param(['account', ...insideNames(kinds)]);
  const rows = await db.execute(sql`
    SELECT FROM lethe.task WHERE erasure_id = ${erasureId} AND kind <> ALL(${here}::text[]) LIMIT 1`);
  return rows.length > 0;
}
