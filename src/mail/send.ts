import { and, eq, lte, sql } from 'drizzle-orm';
import { LetheError } from '../errors.ts';
import { appendEvent } from '../events/append.ts';
import type { Logger } from '../logger.ts';
import { isAddress } from '../settings/mail-address.ts';
import type { Database, Transaction } from '../store/client.ts';
import { erasure, notification } from '../store/schema.ts';
import { transaction } from '../store/transaction.ts';
import { forgetAddress } from './forget-address.ts';
import { MailError, type MailProvider } from './provider.ts';
import { completedMail, type MailFacts, receivedMail } from './templates.ts';

export type MailContext = {
  db: Database;
  log: Logger;
  provider: MailProvider;
  statusUrl: (erasureId: string) => string;
};

export type MailOutcome = 'sent' | 'skipped' | 'failed' | 'uncertain' | 'deferred' | 'blocked';

/** Resend remembers an idempotency key for 24 hours; after that a second attempt could be a second mail. */
const KEY_LIFE = '23 hours';
const SHORT = { statementMs: 5_000, lockMs: 2_000 };

/** What is told about an attempt. */
type Tried = { kind: 'received' | 'completed'; erasureId: string; attempt: number };
type Claim = Tried & { facts: MailFacts; expired: boolean; hadUnknown: boolean };
/** The scrub took the address before any attempt succeeded. `outcome` is that of the last attempt. */
type TooLate = Tried & { outcome: string };

/**
 * Sends one notification. An attempt is recorded before, and the result after; the provider's idempotency key makes it
 * one mail however often it is tried. An outcome that has been unknown for longer than the provider remembers the key
 * is `uncertain`: alerted, never sent again. What an operator must mend is `blocked`: it waits, until the scrub has
 * taken the address. Throws `mail_deferred` when the job should be tried again soon, also while an earlier mail is
 * under way.
 */
export async function sendMail(ctx: MailContext, notificationId: string): Promise<MailOutcome> {
  const claim = await claimAttempt(ctx, notificationId);
  if (!claim) return 'skipped';
  if ('outcome' in claim) return finish(ctx, notificationId, claim, 'failed', { outcome: claim.outcome });
  if (claim.expired) return finish(ctx, notificationId, claim, 'uncertain', { outcome: 'unknown_too_long' });
  // A provider would take a list as several recipients: whoever else is in it would get the mail.
  if (!isAddress(claim.facts.to)) return finish(ctx, notificationId, claim, 'failed', { outcome: 'not_an_address' });
  const message = claim.kind === 'received' ? receivedMail(claim.facts) : completedMail(claim.facts);
  let providerId: string;
  try {
    providerId = await ctx.provider(message, `lethe-${notificationId}`);
  } catch (error) {
    return notAccepted(ctx, notificationId, claim, error);
  }
  // Outside the try: a result that cannot be recorded is no failure of the provider. The next attempt is told the same id.
  return finish(ctx, notificationId, claim, 'sent', { providerId, outcome: null });
}

async function notAccepted(ctx: MailContext, id: string, claim: Claim, error: unknown): Promise<MailOutcome> {
  const failure = error instanceof MailError ? error : new MailError('unknown', (error as Error).name);
  // The key was used with another body. After an unknown attempt that mail may have been taken, and this one must not
  // go. Otherwise the provider remembers a request that it refused, for a day.
  if (failure.code === 'invalid_idempotent_request' && claim.hadUnknown)
    return finish(ctx, id, claim, 'uncertain', { outcome: failure.code });
  if (failure.failure === 'rejected') return finish(ctx, id, claim, 'failed', { outcome: failure.code });
  const waits = failure.failure === 'later' || failure.failure === 'blocked';
  const open = await ctx.db
    .update(notification)
    .set({
      outcome: failure.code,
      // A definite refusal leaves nothing unknown, unless an earlier attempt did.
      ...(failure.failure === 'unknown' || claim.hadUnknown ? {} : { unknownSince: null }),
      nextAt: waits ? sql`now() + interval '1 hour'` : sql`now() + interval '5 minutes'`,
    })
    .where(and(eq(notification.id, id), eq(notification.state, 'pending')))
    .returning({ id: notification.id });
  // Another attempt was faster: what it recorded stands.
  if (open.length === 0) return 'skipped';
  ctx.log.warn(
    { notificationId: id, erasureId: claim.erasureId, attempt: claim.attempt, code: failure.code },
    failure.failure === 'blocked'
      ? 'mails wait: the provider refuses the sender or the configuration'
      : 'mail was not accepted yet',
  );
  if (waits) return failure.failure === 'blocked' ? 'blocked' : 'deferred';
  throw new LetheError('mail_deferred', failure.code);
}

async function claimAttempt(ctx: MailContext, id: string): Promise<Claim | TooLate | null> {
  return transaction(ctx.db, SHORT, async (tx) => {
    const [row] = await tx
      .select({ note: notification, erasure })
      .from(notification)
      .innerJoin(erasure, eq(erasure.id, notification.erasureId))
      .where(and(eq(notification.id, id), eq(notification.state, 'pending')));
    if (!row) return null;
    const kind = row.note.kind as Claim['kind'];
    if (!row.erasure.email)
      return {
        kind,
        erasureId: row.erasure.id,
        attempt: row.note.attempt,
        outcome: row.note.outcome ?? 'never_tried',
      };
    if (kind === 'completed' && (await isReceivedUnderWay(tx, row.erasure.id)))
      throw new LetheError('mail_deferred', 'the first mail goes before the last');
    const [claimed] = await tx
      .update(notification)
      .set({
        attempt: sql`attempt + 1`,
        unknownSince: sql`coalesce(unknown_since, now())`,
        // Longer than an attempt takes. After this time reconcile makes up for a job that Redis has lost meanwhile.
        nextAt: sql`now() + interval '1 minute'`,
      })
      .where(and(eq(notification.id, id), eq(notification.state, 'pending')))
      .returning({
        attempt: notification.attempt,
        // By the database's clock, which set it: with a wrong clock here, a mail that was never tried would be given
        // up.
        expired: sql<boolean>`unknown_since < now() - ${KEY_LIFE}::interval`,
      });
    if (!claimed) return null;
    const { erasure: e } = row;
    return {
      kind,
      erasureId: e.id,
      attempt: claimed.attempt,
      hadUnknown: row.note.unknownSince !== null,
      expired: claimed.expired,
      facts: {
        to: e.email as string,
        erasureId: e.id,
        requestedAt: e.requestedAt,
        startsAt: e.startsAt,
        completedAt: e.completedAt,
        statusUrl: ctx.statusUrl(e.id),
      },
    };
  });
}

/**
 * True while the first mail is about to go or in flight. The last mail forgets the address and skips what is pending. A
 * mail that has already left would be recorded as never sent.
 */
async function isReceivedUnderWay(tx: Transaction, erasureId: string): Promise<boolean> {
  const rows = await tx
    .select({ id: notification.id })
    .from(notification)
    .where(
      and(
        eq(notification.erasureId, erasureId),
        eq(notification.kind, 'received'),
        eq(notification.state, 'pending'),
        // Put off for longer by the provider: not waited for.
        lte(notification.nextAt, sql`now() + interval '1 minute'`),
      ),
    );
  return rows.length > 0;
}

async function finish(
  ctx: MailContext,
  id: string,
  claim: Tried,
  state: 'sent' | 'failed' | 'uncertain',
  result: { providerId?: string; outcome: string | null },
): Promise<MailOutcome> {
  await transaction(ctx.db, SHORT, async (tx) => {
    const changed = await tx
      .update(notification)
      .set({ state, ...result, ...(state === 'sent' ? { unknownSince: null } : {}), finishedAt: sql`now()` })
      .where(and(eq(notification.id, id), eq(notification.state, 'pending')))
      .returning({ id: notification.id });
    if (changed.length === 0) return;
    await appendEvent(tx, claim.erasureId, `mail.${state}`, {
      kind: claim.kind,
      attempt: claim.attempt,
      ...(result.outcome ? { outcome: result.outcome } : {}),
    });
    if (claim.kind === 'completed') await forgetAddress(tx, claim.erasureId);
  });
  const line = {
    notificationId: id,
    erasureId: claim.erasureId,
    kind: claim.kind,
    attempt: claim.attempt,
    outcome: result.outcome,
  };
  if (state === 'sent') ctx.log.info(line, 'mail sent');
  else ctx.log.error(line, `mail ${state}: tell the user by other means`);
  return state;
}
