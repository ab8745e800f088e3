import { and, desc, eq, isNull } from 'drizzle-orm';
import { v7 as uuidv7 } from 'uuid';
import { LetheError } from '../../errors.ts';
import { canonicalKey } from '../../keys/canonical.ts';
import type { KeyValue } from '../../keys/types.ts';
import { findAccount, flagAccount } from '../../locations/account/row.ts';
import type { Counts } from '../../locations/kind.ts';
import type { Transaction } from '../../store/client.ts';
import { erasure } from '../../store/schema.ts';
import { limitStatements, pipeline } from '../../store/transaction.ts';
import type { Context } from '../model/context.ts';
import type { Dispatch } from '../model/dispatch.ts';
import { closeForNewerAccount, hasNewerAccount } from '../model/newer-account.ts';
import { BY_APPLICATION, type Erasure, findErasure, findLive, readNowAndLive } from '../model/states.ts';
import { deleteSessions, leaveRest } from './delete-sessions.ts';
import { eraseAccepted } from './erase-accepted.ts';
import { linkOf } from './idempotency.ts';
import { describeErasure, HELD_BY_APPLICATION, type Hold, insertErasure } from './insert-erasure.ts';
import { countIfSmall } from './is-small.ts';

export type Request = {
  accountKey: KeyValue;
  /** `account`, or `key:<name>`. */
  requestedBy: string;
  /** Key hash of the Idempotency-Key that this request answers to. */
  idempotencyKeyHash?: string | undefined;
  /** An account that has existed for a shorter time is not meant. In milliseconds. */
  olderThanMs?: number | undefined;
};

/**
 * `created`: accepted now. Otherwise the erasure that the account already has. `mail`: the notification to send now.
 * `rest`: the step that deletes what was left of the rows `at: request`.
 */
export type Accepted = {
  erasure: Erasure;
  created: boolean;
  mail?: string | undefined;
  rest?: Dispatch | undefined;
};

/**
 * How one attempt goes about it. `probe`: find out whether the account is small; `erase`: and if so, erase it;
 * `deleteSessions`: delete rows `at: request`, otherwise all are left to the workers.
 */
export type Way = { probe: boolean; erase: boolean; deleteSessions: boolean };

const SESSION_WAIT_MS = 100;
/** Rows of each location `at: request` that the acceptance deletes itself, while it has locked the account's row. */
const AT_REQUEST_ROWS = 1_000;

/** One attempt to accept, in the transaction `tx`. Throws `NotErased` and what the database throws: roll back, and try another way. */
export async function accept(tx: Transaction, ctx: Context, request: Request, way: Way): Promise<Accepted> {
  const { lockBudgetMs } = ctx.settings;
  const [found, { now, live, canary }, few] = await pipeline([
    () => findAccount(tx, ctx.catalog.account, request.accountKey, 'FOR NO KEY UPDATE'),
    () => readNowAndLive(tx, ctx.catalog, request.accountKey),
    async () => (way.probe ? countIfSmall(tx, ctx, request.accountKey) : null),
  ]);
  // Nobody reads the mails of test data.
  const account = found && (canary ? { ...found, email: null } : found);
  if (!account) return { erasure: await findFinished(tx, ctx, request.accountKey), created: false };
  if (request.olderThanMs !== undefined && isYounger(account, now, request.olderThanMs))
    throw new LetheError('not_found', 'the account that has this key is younger than the request');
  const earlier = live ? await closeEarlier(tx, ctx, live) : null;
  if (live && !earlier) {
    if (request.idempotencyKeyHash) await tx.execute(linkOf(request.idempotencyKeyHash, live));
    return { erasure: (await findErasure(tx, live)) as Erasure, created: false };
  }
  const hold = account.onHold ? HELD_BY_APPLICATION : holdOf(earlier);
  // On hold it must not be erased by this request; what else it is does not matter then.
  const small = hold ? null : few;
  const wanted = describeErasure(ctx, request.requestedBy, account, { small: small !== null, now, hold, canary });
  const record = async (kind?: 'received' | 'completed', gone?: Counts): Promise<Accepted> => {
    const mail = kind && account.email ? { kind, id: uuidv7() } : undefined;
    const known = { gone, mail, keyHash: request.idempotencyKeyHash };
    return { erasure: await insertErasure(tx, ctx.catalog, wanted, known), created: true, mail: mail?.id };
  };
  if (small && way.erase) return eraseAccepted(tx, ctx, account.key, small, (gone) => record('completed', gone));
  const accepted = await record(small ? undefined : 'received');
  await pipeline([
    // The account's row is locked: a locked session must not be waited for until somebody looks for a deadlock.
    () => limitStatements(tx, { statementMs: lockBudgetMs, lockMs: SESSION_WAIT_MS, reads: 'index' }),
    () => flagAccount(tx, ctx.catalog.account, account.key, true),
  ]);
  // What a person holds goes when they release it.
  const most = way.deleteSessions && !(hold && hold.by !== BY_APPLICATION) ? AT_REQUEST_ROWS : 0;
  const more = await deleteSessions(tx, ctx, wanted.id, account.key, most);
  return more && wanted.state === 'scheduled' ? { ...accepted, ...(await leaveRest(tx, accepted.erasure)) } : accepted;
}

/** Where nothing says when the account was created, it is taken for the one that is meant. */
const isYounger = ({ created }: { created: string | null }, now: Date, ms: number): boolean =>
  created !== null && now.getTime() - Number(created) * 1000 < ms;

/** The live erasure of an account that had this key before, closed: it must not keep its owner of now from one. Null: it is this account's. */
async function closeEarlier(tx: Transaction, ctx: Context, live: string): Promise<Erasure | null> {
  const [seen] = await tx.select().from(erasure).where(eq(erasure.id, live)).for('no key update');
  if (!seen || !(await hasNewerAccount(tx, ctx.catalog.account, seen))) return null;
  return closeForNewerAccount(tx, ctx, seen);
}

/** A person's hold is on rows with this key, and whose they are cannot be told any more: it stays. */
const holdOf = (earlier: Erasure | null): Hold | null =>
  earlier?.heldAt && earlier.heldBy && earlier.heldBy !== BY_APPLICATION
    ? { by: earlier.heldBy, reason: earlier.holdReason }
    : null;

async function findFinished(tx: Transaction, ctx: Context, key: KeyValue): Promise<Erasure> {
  const canonical = await canonicalKey(tx, ctx.catalog.account.key, key);
  const live = await findLive(tx, canonical);
  if (live) return live;
  const [done] = await tx
    .select()
    .from(erasure)
    .where(and(eq(erasure.accountKey, canonical), eq(erasure.state, 'completed'), isNull(erasure.scrubbedAt)))
    .orderBy(desc(erasure.completedAt))
    .limit(1);
  if (!done) throw new LetheError('not_found', 'there is no such account');
  return done;
}
