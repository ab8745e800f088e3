import { and, eq, isNotNull, sql } from 'drizzle-orm';
import { appendEvent, type EventType } from '../../events/append.ts';
import { erasure } from '../../store/schema.ts';
import { transaction } from '../../store/transaction.ts';
import { type Context, OWN_TABLES } from '../model/context.ts';
import { isOfEarlierAccount } from '../model/newer-account.ts';
import type { SignOutCall } from './revoke-call.ts';

export type SignOutOutcome = 'signed out' | 'skipped' | 'given up';

/** Stateless tokens do not live longer than this, and an application that is away for longer has other troubles. */
const GIVE_UP_MS = 24 * 3_600_000;
const PAGE = 200;

/**
 * Asks the application to revoke the account's tokens, once per accepted request or until it took it. Safe to
 * run twice: signing out again changes nothing. Throws `sign_out_deferred` when it should be tried again.
 */
export async function signOutAccount(ctx: Context, call: SignOutCall, erasureId: string): Promise<SignOutOutcome> {
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

/** Erasures whose sign-out is due and has no job, moved on while they are taken. */
export async function takeSignOuts(ctx: Context): Promise<string[]> {
  if (!ctx.settings.signOut) return [];
  const rows = await ctx.db.execute<{ id: string }>(sql`
    UPDATE lethe.erasure SET sign_out_at = now() + interval '1 minute'
     WHERE id IN (SELECT id FROM lethe.erasure WHERE sign_out_at <= now() AND account_key IS NOT NULL
                   ORDER BY sign_out_at LIMIT ${PAGE} FOR UPDATE SKIP LOCKED)
    RETURNING id`);
  return rows.map((row) => row.id);
}
