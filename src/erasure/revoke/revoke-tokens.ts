import { and, eq, isNotNull, sql } from 'drizzle-orm';
import { appendEvent, type EventType } from '../../events/append.ts';
import { OWN_TABLES } from '../../store/limits.ts';
import { erasure } from '../../store/schema.ts';
import type { DueRows } from '../../store/take-due.ts';
import { transaction } from '../../store/transaction.ts';
import type { Context } from '../model/context.ts';
import { isOfEarlierAccount } from '../model/newer-account.ts';
import type { RevokeCall } from './revoke-call.ts';

/** Erasures whose tokens are still to be revoked. */
export const DUE_REVOCATIONS: DueRows = {
  table: erasure,
  at: erasure.signOutAt,
  where: sql`sign_out_at IS NOT NULL AND account_key IS NOT NULL`,
};

/** How the job ended; the words are those of the metric. */
export type Revoked = 'signed out' | 'skipped' | 'given up';

/** Stateless tokens do not live longer than this, and an application that is away for longer has other troubles. */
const GIVE_UP_MS = 24 * 3_600_000;

/**
 * Asks the application to revoke the account's tokens, once per accepted request or until it took it. Safe to
 * run twice: revoking again changes nothing. Throws `sign_out_deferred` when it should be tried again.
 */
export async function revokeTokens(ctx: Context, call: RevokeCall, erasureId: string): Promise<Revoked> {
  const [asked] = await ctx.db
    .update(erasure)
    .set({ signOutAt: sql`now() + interval '1 minute'` })
    .where(and(eq(erasure.id, erasureId), isNotNull(erasure.signOutAt), isNotNull(erasure.accountKey)))
    .returning();
  if (!asked) return 'skipped';
  // Their tokens are not this erasure's to revoke.
  if (await isOfEarlierAccount(ctx, asked)) {
    await ctx.db.update(erasure).set({ signOutAt: null }).where(eq(erasure.id, erasureId));
    ctx.log.warn({ erasureId }, 'no sign-out call: an account with this key exists again');
    return 'skipped';
  }
  try {
    await call(asked.accountKey as string);
  } catch (error) {
    if (Date.now() - asked.requestedAt.getTime() < GIVE_UP_MS) throw error;
    await settle(ctx, erasureId, 'account.sign_out_failed');
    ctx.log.error({ erasureId }, 'the application never took the sign-out: its tokens end by themselves');
    return 'given up';
  }
  await settle(ctx, erasureId, 'account.signed_out');
  return 'signed out';
}

async function settle(ctx: Context, erasureId: string, type: EventType): Promise<void> {
  await transaction(ctx.db, OWN_TABLES, async (tx) => {
    const settled = await tx
      .update(erasure)
      .set({ signOutAt: null })
      .where(and(eq(erasure.id, erasureId), isNotNull(erasure.signOutAt)))
      .returning({ id: erasure.id });
    if (settled.length > 0) await appendEvent(tx, erasureId, type);
  });
}
