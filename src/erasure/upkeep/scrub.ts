import { sql } from 'drizzle-orm';
import { affected } from '../../store/affected.ts';
import { transaction } from '../../store/transaction.ts';
import type { Context } from '../model/context.ts';

/** Chunk rows are scrubbed with their erasure: a page of large ones must fit a transaction. */
const PAGE = 20;
const SCRUBBING = { statementMs: 60_000, lockMs: 2_000 } as const;
const DAY = 86_400_000;

/** Of test data that no worker has gone on with for a day. */
const ABANDONED = JSON.stringify([
  { location: '(cycle)', words: 'nobody went on with it for a day: the catalog of the workers has no canary any more' },
]);

const before = (ms: number) => sql`now() - ${ms} * interval '1 millisecond'`;

/**
 * Forgets what is no longer needed. After the ledger retention it forgets key, bounds, errors and names of people of a
 * final erasure; after the evidence retention its digest. Answers to idempotency keys go after a day. Test
 * data goes after the ledger retention, and what no worker goes on with is closed. Counts, states
 * and times stay. Each page is one transaction, which takes its erasures under `SKIP LOCKED`. What is scrubbed leaves
 * the set, so that the next page needs no bound.
 */
export async function scrubExpired(ctx: Context): Promise<{ scrubbed: number; forgotten: number; answers: number }> {
  const { ledgerRetentionMs, evidenceRetentionMs } = ctx.settings;
  const answers = await affected(ctx.db, sql`DELETE FROM lethe.idempotency WHERE created_at < ${before(DAY)}`);
  const forgotten = await affected(
    ctx.db,
    sql`UPDATE lethe.erasure SET account_digest = NULL
         WHERE account_digest IS NOT NULL AND scrubbed_at IS NOT NULL
           AND coalesce(completed_at, cancelled_at) < ${before(evidenceRetentionMs)}`,
  );
  await ctx.db.execute(sql`
    UPDATE lethe.canary SET state = 'failed', findings = ${ABANDONED}::jsonb, next_at = NULL, finished_at = now()
     WHERE finished_at IS NULL AND next_at < ${before(DAY)}`);
  // The newest says when the next one is due. One that has left its account names it until it is erased.
  await ctx.db.execute(sql`
    DELETE FROM lethe.canary WHERE created_at < ${before(ledgerRetentionMs)} AND finished_at IS NOT NULL
       AND NOT (state = 'failed' AND account_key IS NOT NULL AND erasure_id IS NULL)
       AND id <> (SELECT id FROM lethe.canary ORDER BY created_at DESC, id DESC LIMIT 1)`);
  let scrubbed = 0;
  for (;;) {
    const page = await transaction(ctx.db, SCRUBBING, async (tx) => {
      const rows = await tx.execute<{ id: string }>(sql`
        SELECT id FROM lethe.erasure
         WHERE scrubbed_at IS NULL AND state IN ('completed', 'cancelled')
           AND coalesce(completed_at, cancelled_at) < ${before(ledgerRetentionMs)}
         LIMIT ${PAGE} FOR UPDATE SKIP LOCKED`);
      if (rows.length === 0) return 0;
      const ids = sql`${sql.param(rows.map((r) => r.id))}::uuid[]`;
      await tx.execute(sql`UPDATE lethe.erasure SET account_key = NULL, account_created = NULL, email = NULL, requested_by = NULL, held_by = NULL, hold_reason = NULL,
        probe_at = NULL, scrubbed_at = now() WHERE id = ANY(${ids})`);
      await tx.execute(
        sql`UPDATE lethe.task SET last_error = NULL WHERE erasure_id = ANY(${ids}) AND last_error IS NOT NULL`,
      );
      await tx.execute(sql`UPDATE lethe.chunk SET lower = NULL, upper = NULL, cursor = NULL
        WHERE task_id IN (SELECT id FROM lethe.task WHERE erasure_id = ANY(${ids})) AND upper IS NOT NULL`);
      // Without the key nothing can be asked for any more.
      await tx.execute(sql`UPDATE lethe.call SET sealed = NULL, cursor = NULL, last_words = NULL, next_at = NULL, leased_until = NULL,
          state = CASE WHEN settled_at IS NULL THEN 'dropped' ELSE state END, settled_at = coalesce(settled_at, now())
        WHERE erasure_id = ANY(${ids})`);
      await tx.execute(sql`UPDATE lethe.partner_request SET sealed = NULL, ack_url = NULL, next_at = NULL, last_words = NULL
        WHERE erasure_id = ANY(${ids})`);
      // Of who did it stays what they were: `user:sue` becomes `user`.
      await tx.execute(sql`UPDATE lethe.event SET data = data - 'keys' - 'reason' ||
          CASE WHEN data ? 'by' THEN jsonb_build_object('by', split_part(data ->> 'by', ':', 1)) ELSE '{}' END
         WHERE erasure_id = ANY(${ids}) AND (data ?| ARRAY['keys', 'reason'] OR data ->> 'by' LIKE '%:%')`);
      await tx.execute(sql`INSERT INTO lethe.event (erasure_id, type) SELECT unnest(${ids}), 'erasure.scrubbed'`);
      return rows.length;
    });
    scrubbed += page;
    if (page < PAGE) return { scrubbed, forgotten, answers };
  }
}
