import { setTimeout as pause } from 'node:timers/promises';
import { type SQL, sql } from 'drizzle-orm';
import { LetheError } from '../../errors.ts';
import { insideNames } from '../../locations/kinds/ask.ts';
import { affected } from '../../store/affected.ts';
import { OWN_TABLES } from '../../store/limits.ts';
import { isContended } from '../../store/sql-errors.ts';
import { transaction } from '../../store/transaction.ts';
import type { Context } from '../model/context.ts';
import type { Dispatch } from '../model/dispatch.ts';
import { replayErasure } from './replay.ts';
import type { Which } from './replay-choice.ts';
import { replayPartners } from './replay-partners.ts';
import { notHeld } from './start.ts';

/** `failed`: every erasure that has stalled. Otherwise partners of all erasures whose account is gone. */
export type Many = { failed: true } | (Which & { failed?: undefined });

/** What was replayed, counted. */
export type ReplayedMany = {
  /** Erasures that run again, or whose partners are asked anew. */
  erasures: number;
  /** Calls that waited for their next try, and are due at once. */
  calls: number;
  /** Left out: somebody new has the key; on hold; locked just now; or it cannot be asked again (scrubbed, values gone). */
  newer: number;
  held: number;
  busy: number;
  impossible: number;
  /** Give it to go on where this one has stopped; null: it was all. */
  nextCursor: string | null;
};

export type ManyOptions = {
  /** Only counts what would be taken. */
  dryRun?: boolean;
  /** The `nextCursor` of a replay that was broken off. */
  cursor?: string | undefined;
  dispatch: (dispatch: Dispatch) => Promise<unknown>;
  /** Asked now and then: true stops there. */
  enough?: (so: ReplayedMany) => boolean;
  /** How long to wait after a page for its steps to be taken, in milliseconds, so that the queues do not fill. */
  patienceMs?: number;
};

/** Erasures of a page, how many of it at once, and calls of a statement. */
const PAGE = 200;
const AT_ONCE = 4;
const CALLS = 5_000;
/** Sorts before every id. */
const NIL = '00000000-0000-0000-0000-000000000000';
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** While calls are made due: since when. One that was tried meanwhile is not made due twice. */
const OF_CALLS = /^calls\.(\d{1,15})$/;

/** True for what `replayMany` gives as `nextCursor`. */
export const isReplayCursor = (text: string): boolean => UUID.test(text) || OF_CALLS.test(text);

/**
 * Replays many erasures, page by page in the order of ids, so that memory is bounded. First what waits for its next try
 * is due at once; then partners that have acknowledged are asked anew. When it is broken off, it goes on from a cursor.
 * What a page had done before it was broken off is asked twice, which partners must take. Rejects when the database is away.
 */
export async function replayMany(ctx: Context, which: Many, by: string, options: ManyOptions): Promise<ReplayedMany> {
  const so: ReplayedMany = { erasures: 0, calls: 0, newer: 0, held: 0, busy: 0, impossible: 0, nextCursor: null };
  const of = ofErasures(ctx, which);
  if (options.dryRun) return { ...so, ...(await countAll(ctx, which, of)) };
  if (!which.failed && !UUID.test(options.cursor ?? '')) {
    const begun = Number(OF_CALLS.exec(options.cursor ?? '')?.[1] ?? Date.now());
    for (let more = true; more; ) {
      const due = await hurryCalls(ctx, which.partner, begun);
      so.calls += due;
      more = due === CALLS;
      so.nextCursor = more ? `calls.${begun}` : NIL;
      if (options.enough?.(so)) return so;
    }
  }
  let after = UUID.test(options.cursor ?? '') ? (options.cursor as string) : NIL;
  for (;;) {
    const page = await ctx.db.execute<{ id: string }>(
      sql`SELECT e.id FROM lethe.erasure e WHERE ${of} AND e.id > ${after} ORDER BY e.id LIMIT ${PAGE}`,
    );
    const ids = page.map((row) => row.id);
    for (let i = 0; i < ids.length; i += AT_ONCE) {
      const some = ids.slice(i, i + AT_ONCE);
      await Promise.all(some.map((id) => replayOne(ctx, { id, which, by }, so, options)));
      after = some.at(-1) ?? after;
      so.nextCursor = after;
      if (i + AT_ONCE < ids.length && options.enough?.(so)) return so;
    }
    if (ids.length < PAGE) so.nextCursor = null;
    if (so.nextCursor === null || options.enough?.(so)) return so;
    await untilTaken(ctx, ids, options.patienceMs ?? 0);
  }
}

type One = { id: string; which: Many; by: string };

async function replayOne(ctx: Context, { id, which, by }: One, so: ReplayedMany, { dispatch }: ManyOptions) {
  try {
    const next = which.failed
      ? await replayErasure(ctx, id, by, notHeld)
      : (await replayPartners(ctx, id, by, which)).dispatch;
    if (!next) return;
    so.erasures += 1;
    await dispatch(next);
  } catch (error) {
    const code = error instanceof LetheError ? error.code : isContended(error) ? 'contended' : null;
    if (code === 'newer_account') so.newer += 1;
    else if (code === 'on_hold') so.held += 1;
    else if (code === 'not_replayable' || code === 'catalog_invalid') so.impossible += 1;
    else if (code === 'contended') so.busy += 1;
    else throw error;
  }
}

const CALL_WAITS = sql`c.state IN ('open', 'accepted') AND c.leased_until IS NULL AND c.next_at > now()`;
const ofPartner = (column: SQL, partner: string | undefined) =>
  partner === undefined ? sql`true` : sql`${column} = ${partner}`;

/** Makes the next calls due that were not tried since `begun` (milliseconds since 1970). Returns how many. */
const hurryCalls = (ctx: Context, partner: string | undefined, begun: number): Promise<number> =>
  transaction(ctx.db, OWN_TABLES, (tx) =>
    affected(
      tx,
      sql`WITH waiting AS MATERIALIZED (
            SELECT c.id FROM lethe.call c
             WHERE ${CALL_WAITS} AND ${ofPartner(sql`c.partner`, partner)}
               AND (c.last_at IS NULL OR c.last_at < to_timestamp(${begun}::numeric / 1000))
             LIMIT ${CALLS} FOR UPDATE SKIP LOCKED)
          UPDATE lethe.call SET next_at = now() WHERE id IN (SELECT id FROM waiting)`,
    ),
  );

/** Which erasures are looked at; `e` is the erasure. */
function ofErasures({ kinds }: Pick<Context, 'kinds'>, which: Many): SQL {
  if (which.failed) return sql`e.state = 'stalled'`;
  const since = which.since && sql`AND t.finished_at >= ${which.since.toISOString()}::timestamptz`;
  return sql`e.state IN ('completed', 'awaiting') AND EXISTS (
    SELECT FROM lethe.task t WHERE t.erasure_id = e.id AND t.state = 'done' AND ${ofPartner(sql`t.location`, which.partner)}
       AND t.kind <> ALL(${sql.param(['account', ...insideNames(kinds)])}::text[]) ${since ?? sql``})`;
}

const COUNTING = { statementMs: 60_000, lockMs: 2_000 } as const;

async function countAll(ctx: Context, which: Many, of: SQL): Promise<Pick<ReplayedMany, 'erasures' | 'calls'>> {
  return transaction(ctx.db, COUNTING, async (tx) => {
    const [erasures] = await tx.execute<{ n: number }>(sql`
      SELECT count(*)::int AS n FROM lethe.erasure e
       WHERE ${of} AND e.newer_account_at IS NULL AND e.account_key IS NOT NULL AND (e.held_at IS NULL OR e.state = 'completed')`);
    if (which.failed) return { erasures: erasures?.n ?? 0, calls: 0 };
    const [calls] = await tx.execute<{ n: number }>(sql`
      SELECT count(*)::int AS n FROM lethe.call c WHERE ${CALL_WAITS} AND ${ofPartner(sql`c.partner`, which.partner)}`);
    return { erasures: erasures?.n ?? 0, calls: calls?.n ?? 0 };
  });
}

/** Waits until most steps of a page were taken by workers. */
async function untilTaken(ctx: Context, ids: readonly string[], patienceMs: number): Promise<void> {
  for (const end = Date.now() + patienceMs; Date.now() < end; await pause(200)) {
    const [out] = await ctx.db.execute<{ n: number }>(sql`
      SELECT count(*)::int AS n FROM lethe.erasure WHERE id = ANY(${sql.param([...ids])}::uuid[])
         AND state IN ('running', 'awaiting') AND dispatched_at IS NOT NULL`);
    if ((out?.n ?? 0) <= ids.length / 4) return;
  }
}
