import { sql } from 'drizzle-orm';
import { OWN_TABLES } from '../../store/limits.ts';
import { fromMs, inMs } from '../../store/milliseconds.ts';
import { transaction } from '../../store/transaction.ts';
import type { Context } from '../model/context.ts';

/** A call in the hands of this process, as it lies in Postgres. */
export type Taken = {
  id: string;
  erasureId: string;
  sealed: Uint8Array | null;
  cursor: string[] | null;
  attempts: number;
  accountKey: string | null;
  requestedAt: Date;
  catalogDigest: string;
};

/** What one process may do with a partner now. Null: another process has it. `probing`: its circuit is open, and one call tries. */
export type Hold = { calls: Taken[]; probing: boolean } | null;

/** So long a process has a partner after its last word: then another one takes it over. */
const HOLDER_MS = 15_000;

/** What support reads where a worker took a call and never said what came of it. */
const ENDED = 'the worker that made the call ended without an answer: killed, or out of memory';

/**
 * Erasures whose calls are made. One that was closed since somebody new has the key goes on with its calls: they are about
 * what is older.
 */
const MAY_BE_ASKED = sql.raw(
  "e.held_at IS NULL AND (e.state IN ('running', 'awaiting', 'stalled') OR e.newer_account_at IS NOT NULL)",
);

/**
 * Takes due calls of a partner for this process, which must be its only one: `holder` is its name. At most `most` calls, and
 * one while the circuit is open and its next probe is due. A call that is taken is due again after `leaseMs`, should
 * this process die.
 */
export async function takeCalls(
  ctx: Context,
  name: string,
  { holder, most, leaseMs }: { holder: string; most: number; leaseMs: number },
): Promise<Hold> {
  return transaction(ctx.db, OWN_TABLES, async (tx) => {
    const [mine] = await tx.execute<{ open: boolean; probe: boolean; paused: boolean }>(sql`
      UPDATE lethe.partner SET holder = ${holder}, held_until = now() + ${HOLDER_MS} * interval '1 millisecond'
       WHERE name = ${name} AND (holder = ${holder} OR held_until IS NULL OR held_until <= now())
      RETURNING opened_at IS NOT NULL AS open, coalesce(probe_at <= now(), true) AS probe,
                coalesce(paused_until > now(), false) AS paused`);
    if (!mine) return null;
    const limit = mine.paused ? 0 : mine.open ? Math.min(most, mine.probe ? 1 : 0) : most;
    if (limit < 1) return { calls: [], probing: mine.open };
    const lease = sql`now() + ${leaseMs} * interval '1 millisecond'`;
    const rows = await tx.execute<Omit<Taken, 'requestedAt'> & { requestedAt: number }>(sql`
      WITH due AS MATERIALIZED (
        SELECT c.id, e.account_key, e.requested_at, e.catalog_digest
          FROM lethe.call c JOIN lethe.erasure e ON e.id = c.erasure_id
         WHERE c.partner = ${name} AND c.next_at <= now() AND ${MAY_BE_ASKED}
         ORDER BY c.next_at LIMIT ${limit} FOR UPDATE OF c SKIP LOCKED)
      UPDATE lethe.call c
         SET leased_until = ${lease}, next_at = ${lease}, asked_at = coalesce(c.asked_at, now()), last_at = now(),
             last_words = CASE WHEN c.leased_until IS NULL THEN c.last_words ELSE ${ENDED} END
        FROM due WHERE c.id = due.id
      RETURNING c.id, c.erasure_id AS "erasureId", c.sealed, c.cursor, c.attempts, due.account_key AS "accountKey",
                ${inMs(sql`due.requested_at`)} AS "requestedAt", due.catalog_digest AS "catalogDigest"`);
    if (mine.open && rows.length > 0)
      await tx.execute(
        sql`UPDATE lethe.partner SET probe_at = now() + ${PROBE_MS} * interval '1 millisecond' WHERE name = ${name}`,
      );
    return { calls: rows.map((row) => ({ ...row, requestedAt: fromMs(row.requestedAt) })), probing: mine.open };
  });
}

/** Between two probes of a partner whose circuit is open. */
export const PROBE_MS = 15_000;

/** Gives calls back that were taken and not made: the next holder takes them at once. */
export async function giveBack(ctx: Context, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await ctx.db.execute(sql`
    UPDATE lethe.call SET leased_until = NULL, next_at = now()
     WHERE id = ANY(${sql.param(ids)}::uuid[]) AND leased_until IS NOT NULL AND settled_at IS NULL`);
}

/** Gives a partner back: another process need not wait until this one is given up. */
export async function letGo(ctx: Context, name: string, holder: string): Promise<void> {
  await ctx.db.execute(sql`
    UPDATE lethe.partner SET holder = NULL, held_until = NULL WHERE name = ${name} AND holder = ${holder}`);
}

/** Partners that have something to do now and that no other process has. */
export async function partnersDue(ctx: Context, holder: string): Promise<string[]> {
  const rows = await ctx.db.execute<{ name: string }>(sql`
    SELECT p.name FROM lethe.partner p
     WHERE (p.holder IS NULL OR p.holder = ${holder} OR p.held_until <= now())
       AND (p.paused_until IS NULL OR p.paused_until <= now()) AND (p.opened_at IS NULL OR p.probe_at <= now())
       AND EXISTS (SELECT FROM lethe.call c JOIN lethe.erasure e ON e.id = c.erasure_id
                    WHERE c.partner = p.name AND c.next_at <= now() AND ${MAY_BE_ASKED})`);
  return rows.map(({ name }) => name);
}
