import { sql } from 'drizzle-orm';
import { decodeKey } from '../keys/encode.ts';
import { countRows } from './count-rows.ts';
import type { CanaryWork } from './model.ts';

const MOST = 10;

/**
 * Asks for the erasure of accounts that cycles have left which failed before theirs was asked for. So they do not pile
 * up. What is refused, or gets no answer, is asked for again before the next cycle.
 */
export async function eraseLeft({ ctx, ask, signal }: CanaryWork): Promise<void> {
  const left = await ctx.db.execute<{ id: string; key: string }>(sql`
    SELECT id, account_key AS key FROM lethe.canary
     WHERE state = 'failed' AND account_key IS NOT NULL AND erasure_id IS NULL ORDER BY created_at LIMIT ${MOST}`);
  for (const { id, key } of left) {
    const { account } = await countRows(ctx.db, ctx.catalog, decodeKey(ctx.catalog.account.key, key));
    const asked = account ? await ask(key, { cycle: id, turn: 0 }, signal) : null;
    if (asked?.kind === 'accepted')
      await ctx.db.execute(sql`UPDATE lethe.canary SET erasure_id = ${asked.erasureId} WHERE id = ${id}`);
    // Somebody else has deleted it.
    if (!asked) await ctx.db.execute(sql`UPDATE lethe.canary SET account_key = NULL WHERE id = ${id}`);
  }
}
