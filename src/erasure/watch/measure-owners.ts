import { type SQL, sql } from 'drizzle-orm';
import type { Database, Transaction } from '../../store/client.ts';
import { fromMs, inMs } from '../../store/milliseconds.ts';
import { transaction } from '../../store/transaction.ts';
import { LIVE } from '../model/states.ts';
import { type Done, type Measured, MOST_LOCATIONS, NOTHING } from './measured.ts';

/** Erasures that are looked at in each state: those that began first, which are late first. */
const MOST_ERASURES = 5_000;
/** Calls of each partner that are looked at beside them, where there are more erasures: those that are due first. */
const MOST_CALLS = 5_000;
/** Newly completed erasures that are looked at, and finished ones among which they are found. */
const MOST_COMPLETED = 5_000;
const MOST_FINISHED = 10_000;

/** Each statement. Two of them stay below the time for which the duty is held. */
const MEASURING = { statementMs: 4_500, lockMs: 2_000 } as const;

/** Tasks of one location. `begun`: of those that do not fail by themselves, the ones that are not pending. */
type Row = {
  owner: string;
  location: string;
  open: number;
  late: number;
  failing: number;
  begun: number;
  oldest: number;
  due: number;
  used: number;
};

/** Written out as in the partial index: with a parameter in its place the planner could not use it. */
const IS_LIVE = sql.raw(`state IN (${LIVE.map((state) => `'${state}'`).join(', ')})`);
const STATES = sql.raw("(VALUES ('running'), ('awaiting'), ('stalled')) AS s (state)");
/** That have begun, that nobody holds, and whose account was a user's. */
const IS_WATCHED = sql`state = s.state AND ${IS_LIVE} AND held_at IS NULL AND NOT canary`;

const begun = (most: number) => sql`
  begun AS MATERIALIZED (
    SELECT e.* FROM ${STATES} CROSS JOIN LATERAL (
      SELECT id, requested_at FROM lethe.erasure WHERE ${IS_WATCHED} ORDER BY starts_at LIMIT ${most}) AS e)`;

/** Three tries in a row without success: such a call fails, and so does its task. */
const FAILS = sql.raw("(t.state = 'failed' OR t.last_error IS NOT NULL OR c.fails IS TRUE)");

/** `open`: the tables that it reads, `e` and `t` among them. */
const counted = (open: SQL) => sql`
  SELECT t.owner, t.location, count(*)::int AS open, (count(*) FILTER (WHERE t.due_at < now()))::int AS late,
         (count(*) FILTER (WHERE ${FAILS}))::int AS failing,
         (count(*) FILTER (WHERE NOT ${FAILS} AND t.state <> 'pending'))::int AS begun,
         ${inMs(sql`min(e.requested_at)`)} AS oldest, ${inMs(sql`min(t.due_at)`)} AS due,
         max(extract(epoch FROM now() - e.requested_at)
             / greatest(extract(epoch FROM t.due_at - e.requested_at), 1))::float8 AS used
    FROM ${open}
    LEFT JOIN LATERAL (
           SELECT true AS fails FROM lethe.call
            WHERE t.state IN ('running', 'awaiting') AND task_id = t.id AND settled_at IS NULL AND attempts >= 3
            LIMIT 1) AS c ON true
   WHERE t.state NOT IN ('done', 'retained')
   GROUP BY t.owner, t.location`;

/**
 * Measures the open tasks of each owner. It looks at a bounded number of erasures, so that an outage of days with a
 * million of them costs no more. The counts are exact where there are fewer in each state.
 */
export async function measureOpen(db: Database, most = MOST_ERASURES): Promise<Map<string, Measured>> {
  return transaction(db, MEASURING, async (tx) => {
    await readByIndex(tx);
    const away = await tx.execute<{ name: string }>(sql`SELECT name FROM lethe.partner WHERE opened_at IS NOT NULL`);
    const rows = await tx.execute<Row>(sql`
      WITH ${begun(most)} ${counted(sql`begun e JOIN lethe.task t ON t.erasure_id = e.id`)}`);
    const [more] = await tx.execute(sql`
      SELECT FROM ${STATES} CROSS JOIN LATERAL (
        SELECT FROM lethe.erasure WHERE ${IS_WATCHED} ORDER BY starts_at OFFSET ${most} LIMIT 1) AS e LIMIT 1`);
    const others = more ? await measureCalled(tx, most) : [];
    return byOwner([...rows, ...others], new Set(away.map(({ name }) => name)));
  });
}

/**
 * The tasks of outstanding calls, of erasures that began too late to be looked at otherwise. One partner that is away for
 * days must not hide that another one has done nothing for an hour.
 */
function measureCalled(tx: Transaction, most: number): Promise<Row[]> {
  return tx.execute<Row>(sql`
    WITH ${begun(most)},
         called AS MATERIALIZED (
           SELECT DISTINCT c.task_id FROM lethe.partner p CROSS JOIN LATERAL (
             SELECT task_id FROM lethe.call WHERE partner = p.name AND next_at IS NOT NULL
              ORDER BY next_at LIMIT ${MOST_CALLS}) AS c)
    ${counted(sql`called JOIN lethe.task t ON t.id = called.task_id
        JOIN lethe.erasure e ON e.id = t.erasure_id AND e.held_at IS NULL AND NOT e.canary
         AND e.id NOT IN (SELECT id FROM begun)`)}`);
}

/**
 * Measures what each owner has done, from the newest completed erasures of the last 30 days. Cancelled ones stand between
 * them in the index, so that their number is bounded as well.
 */
export async function measureDone(db: Database): Promise<Map<string, Done>> {
  const rows = await transaction(db, MEASURING, async (tx) => {
    await readByIndex(tx);
    return tx.execute<{ owner: string; in_time: number; late: number; p50: number; p95: number; last: number }>(sql`
      WITH finished AS MATERIALIZED (
             SELECT id, state, canary, coalesce(started_at, requested_at) AS since FROM lethe.erasure
              WHERE scrubbed_at IS NULL AND state IN ('completed', 'cancelled')
                AND coalesce(completed_at, cancelled_at) > now() - interval '30 days'
              ORDER BY coalesce(completed_at, cancelled_at) DESC LIMIT ${MOST_FINISHED}),
           took AS (
             SELECT t.owner, t.finished_at, t.finished_at <= t.due_at AS in_time,
                    greatest(extract(epoch FROM t.finished_at - e.since), 0)::float8 AS seconds
               FROM (SELECT * FROM finished WHERE state = 'completed' AND NOT canary LIMIT ${MOST_COMPLETED}) AS e
               JOIN lethe.task t ON t.erasure_id = e.id
              WHERE t.finished_at IS NOT NULL)
      SELECT owner, (count(*) FILTER (WHERE in_time))::int AS in_time, (count(*) FILTER (WHERE NOT in_time))::int AS late,
             percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS p50,
             percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds) AS p95, ${inMs(sql`max(finished_at)`)} AS last
        FROM took GROUP BY owner`);
  });
  return new Map(
    rows.map(({ owner, in_time, late, p50, p95, last }) => [
      owner,
      { inTime: in_time, late, p50, p95, lastAt: fromMs(last) },
    ]),
  );
}

/**
 * Each join is a look into an index for each row, of which there are few. To the planner it may look cheaper to walk
 * through a whole table or index, with the application's cores, and each time.
 */
async function readByIndex(tx: Transaction): Promise<void> {
  const off = ['enable_seqscan', 'enable_bitmapscan', 'enable_hashjoin', 'enable_mergejoin'];
  const settings = [...off.map((name) => `set_config('${name}', 'off', true)`), NOT_PARALLEL, IN_MEMORY];
  await tx.execute(sql.raw(`SELECT ${settings.join(', ')}`));
}

const NOT_PARALLEL = "set_config('max_parallel_workers_per_gather', '0', true)";
/** What is grouped stays in memory. */
const IN_MEMORY = "set_config('work_mem', '16MB', true)";

function byOwner(rows: readonly Row[], away: ReadonlySet<string>): Map<string, Measured> {
  const owners = new Map<string, Measured>();
  for (const row of rows) {
    // A partner that is away fails all that it has begun.
    const failing = row.failing + (away.has(row.location) ? row.begun : 0);
    owners.set(row.owner, add(owners.get(row.owner) ?? NOTHING, { ...row, failing }));
  }
  return owners;
}

const earlier = (a: Date | null, ms: number) => (a && a.getTime() <= ms ? a : fromMs(ms));

function add(sum: Measured, row: Row): Measured {
  const names = row.late + row.failing > 0 ? [...sum.locations, row.location] : sum.locations;
  return {
    ...sum,
    open: sum.open + row.open,
    late: sum.late + row.late,
    failing: sum.failing + row.failing,
    oldestAt: earlier(sum.oldestAt, row.oldest),
    dueAt: earlier(sum.dueAt, row.due),
    used: Math.max(sum.used, row.used),
    locations: [...new Set(names)].sort().slice(0, MOST_LOCATIONS),
  };
}
