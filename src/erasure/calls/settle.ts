import { inArray, sql } from 'drizzle-orm';
import { type Answer, ASKED_CHUNK } from '../../locations/asked.ts';
import { retryAfterMs } from '../../partners/retry.ts';
import type { Transaction } from '../../store/client.ts';
import { OWN_TABLES } from '../../store/limits.ts';
import { erasure } from '../../store/schema.ts';
import { transaction } from '../../store/transaction.ts';
import type { Context } from '../model/context.ts';
import { type Dispatch, dispatchWindow } from '../model/dispatch.ts';
import { recordCircuit } from './circuit.ts';

/** What came of one call. `dropped`: it is not to be asked any more. */
export type Settlement = { readonly id: string; readonly answer: Answer | { kind: 'dropped'; words: string } };

/** Who was asked, where the answers come from calls of this process. */
export type Asked = {
  readonly partner: string;
  readonly ackTimeoutMs: number;
  /** A probe of an open circuit: it spends no attempt. */
  readonly probing: boolean;
  /** Tries without success before this one, by call. */
  readonly attempts: ReadonlyMap<string, number>;
};

/** An acknowledgement says nothing of when to ask again. */
const ACKNOWLEDGED: Omit<Asked, 'partner'> = { ackTimeoutMs: 86_400_000, probing: false, attempts: new Map() };

/** Words that support reads. */
const MOST_WORDS = 500;

/**
 * Writes down what came of calls, in one transaction: the calls, the ledger, tasks that have no open call left, erasures that
 * await nothing more. An answer for a call that is settled already changes nothing, so that whatever comes twice is
 * counted once. Returns the steps to put into the queues, and the ids that were still open.
 */
export async function settleCalls(
  ctx: Context,
  settlements: readonly Settlement[],
  asked?: Asked,
): Promise<{ dispatches: Dispatch[]; settled: Set<string> }> {
  const done = await transaction(ctx.db, OWN_TABLES, async (tx) => {
    await lockErasures(tx, settlements);
    const rows = await tx.execute<{ id: string; erasure: string | null }>(
      settling(
        settlements.map((s) => asRow(s, asked ?? ACKNOWLEDGED)),
        asked !== undefined,
      ),
    );
    if (asked)
      await recordCircuit(
        tx,
        asked.partner,
        settlements.map((s) => s.answer),
      );
    return rows;
  });
  const awaited = [...new Set(done.flatMap((row) => row.erasure ?? []))];
  return { dispatches: await wake(ctx, awaited), settled: new Set(done.map((row) => row.id)) };
}

/** The next step of each erasure. Should this process die before it is out, reconcile finds it. */
async function wake(ctx: Context, ids: readonly string[], again = true): Promise<Dispatch[]> {
  if (ids.length === 0) return [];
  const dispatches: Dispatch[] = [];
  for (const of of await ctx.db
    .select()
    .from(erasure)
    .where(inArray(erasure.id, [...ids]))) {
    const dispatch = await dispatchWindow(ctx, of);
    if (dispatch) dispatches.push(dispatch);
    // A step that has ended just now has another one out, which waits.
    else if (again) dispatches.push(...(await wake(ctx, [of.id], false)));
  }
  return dispatches;
}

/** Locks are taken in one order: erasures, then calls, then tasks. A step that ends meanwhile waits, and sees what was settled. */
async function lockErasures(tx: Transaction, settlements: readonly Settlement[]): Promise<void> {
  const ids = settlements.map((s) => s.id);
  await tx.execute(sql`
    SELECT FROM lethe.erasure WHERE id IN (SELECT erasure_id FROM lethe.call WHERE id = ANY(${sql.param(ids)}::uuid[]))
     ORDER BY id FOR NO KEY UPDATE`);
}

type Row = {
  id: string;
  kind: string;
  words: string;
  rows: number | null;
  cursor: readonly string[] | null;
  after: number | null;
  spends: number;
};

function asRow({ id, answer }: Settlement, asked: Omit<Asked, 'partner'>): Row {
  const attempts = asked.attempts.get(id) ?? 0;
  const after = {
    done: null,
    dropped: null,
    accepted: asked.ackTimeoutMs,
    more: 0,
    later: retryAfterMs(attempts + 1),
  }[answer.kind];
  return {
    id,
    kind: answer.kind,
    words: answer.words.slice(0, MOST_WORDS),
    rows: answer.kind === 'done' || answer.kind === 'more' ? (answer.rows ?? null) : null,
    cursor: answer.kind === 'more' ? answer.cursor : null,
    after: answer.kind === 'later' ? Math.max(answer.afterMs ?? 0, asked.probing ? 0 : (after ?? 0)) : after,
    spends: asked.probing ? 0 : 1,
  };
}

/** `ofTry`: the answers are those of tries. What a failure that was acknowledged meanwhile has ended, they do not begin again. */
const settling = (rows: readonly Row[], ofTry: boolean) => sql`
  WITH v AS MATERIALIZED (
         SELECT * FROM jsonb_to_recordset(${JSON.stringify(rows)}::jsonb)
             AS v (id uuid, kind text, words text, rows bigint, cursor text[], after numeric, spends int)),
       settled AS (
         UPDATE lethe.call c
            SET state = CASE WHEN v.kind IN ('done', 'dropped', 'accepted') THEN v.kind
                             WHEN v.kind = 'later' THEN 'open' ELSE c.state END,
                sealed = CASE WHEN v.kind IN ('done', 'dropped') THEN NULL ELSE c.sealed END,
                cursor = CASE v.kind WHEN 'more' THEN v.cursor ELSE c.cursor END,
                attempts = CASE v.kind WHEN 'later' THEN c.attempts + v.spends ELSE 0 END,
                next_at = now() + v.after::float8 * interval '1 millisecond',
                settled_at = CASE WHEN v.kind IN ('done', 'dropped') THEN now() END,
                leased_until = NULL, last_at = now(), last_words = v.words
           FROM v WHERE c.id = v.id AND c.state IN ('open', 'accepted')
            AND (v.kind IN ('done', 'dropped') OR NOT ${ofTry} OR c.leased_until IS NOT NULL)
      RETURNING c.id, c.task_id, c.pass, v.kind, v.kind IN ('done', 'dropped') AS over,
                coalesce(v.rows, CASE v.kind WHEN 'done' THEN c.items ELSE 0 END) AS rows),
       -- What this statement has changed it still sees as it was: calls that it settles are left out by their ids.
       told AS (
         SELECT s.task_id, s.pass, sum(s.rows) AS rows, bool_or(s.kind = 'dropped') AS dropped,
                bool_or(s.over) AND NOT EXISTS (
                  SELECT FROM lethe.call o WHERE o.task_id = s.task_id AND o.settled_at IS NULL
                     AND o.state IN ('open', 'accepted')
                     AND NOT EXISTS (SELECT FROM settled x WHERE x.id = o.id AND x.over)) AS over
           FROM settled s GROUP BY s.task_id, s.pass),
       counted AS (
         UPDATE lethe.chunk k
            SET rows_deleted = k.rows_deleted + told.rows,
                rows_planned = greatest(k.rows_planned, k.rows_deleted + told.rows),
                finished_at = CASE WHEN told.over THEN now() ELSE k.finished_at END
           FROM told WHERE k.task_id = told.task_id AND k.pass = told.pass AND k.number = ${ASKED_CHUNK}),
       ended AS (
         UPDATE lethe.task t
            SET state = 'done', last_error = NULL, finished_at = now()
           FROM told WHERE t.id = told.task_id AND told.over AND t.state = 'awaiting'
      RETURNING t.id, t.erasure_id, t.location, told.dropped),
       recorded AS (
         INSERT INTO lethe.event (erasure_id, type, data, at)
         SELECT erasure_id, CASE WHEN dropped THEN 'task.dropped' ELSE 'task.acknowledged' END,
                jsonb_build_object('location', location), clock_timestamp() FROM ended),
       woken AS (
         UPDATE lethe.erasure e SET dispatched_at = now()
          WHERE e.id IN (SELECT erasure_id FROM ended)
            AND (e.state = 'running' OR (e.state = 'awaiting' AND e.dispatched_at IS NULL))
            AND NOT EXISTS (SELECT FROM lethe.task t WHERE t.erasure_id = e.id AND t.state = 'awaiting'
                               AND t.id NOT IN (SELECT id FROM ended))
      RETURNING e.id)
  SELECT s.id, (SELECT w.id FROM woken w JOIN lethe.task t ON t.erasure_id = w.id WHERE t.id = s.task_id) AS erasure
    FROM settled s`;
