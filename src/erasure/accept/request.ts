import { and, desc, eq, isNull } from 'drizzle-orm';
import { v7 as uuidv7 } from 'uuid';
import { LetheError } from '../../errors.ts';
import { appendEvent } from '../../events/append.ts';
import { canonicalKey } from '../../keys/canonical.ts';
import type { KeyValue } from '../../keys/types.ts';
import { findAccount, flagAccount } from '../../locations/account/row.ts';
import type { Counts } from '../../locations/kind.ts';
import { insideKind, outlives } from '../../locations/kinds/ask.ts';
import type { Transaction } from '../../store/client.ts';
import { erasure } from '../../store/schema.ts';
import { isContended, sqlState } from '../../store/sql-errors.ts';
import { limitStatements, pipeline, transaction } from '../../store/transaction.ts';
import type { Context } from '../model/context.ts';
import { type Dispatch, nextStep } from '../model/dispatch.ts';
import { OUTSIDE, recordOutside } from '../model/ledger.ts';
import { closeForNewerAccount, hasNewerAccount } from '../model/newer-account.ts';
import { BY_APPLICATION, type Erasure, findErasure, findLive, readNowAndLive } from '../model/states.ts';
import { eraseAccepted, NotErased } from './erase-accepted.ts';
import { findRecorded } from './find-recorded.ts';
import { linkOf } from './idempotency.ts';
import { describeErasure, HELD_BY_APPLICATION, type Hold, insertErasure } from './insert-erasure.ts';
import { countIfSmall, ProbeTooLong } from './is-small.ts';

export type Request = {
  accountKey: KeyValue;
  /** `account`, or `key:<name>`. */
  requestedBy: string;
  /** Key hash of the Idempotency-Key that this request answers to. */
  idempotencyKeyHash?: string | undefined;
};

const SESSION_WAIT_MS = 100;
/** Rows of each location `at: request` that the acceptance deletes itself, with the account locked. */
const AT_REQUEST_ROWS = 1_000;
const ATTEMPTS = 3;
/** 55P03 lock not available, 40P01 deadlock, 40001 serialization: somebody else's lock. Other contention is time. */
const LOCKED = new Set(['55P03', '40P01', '40001']);

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
type Way = { probe: boolean; erase: boolean; deleteSessions: boolean };

/**
 * Accepts a request in one transaction: erasure, tasks, event, the account's flag, and its sessions gone. Where they
 * are many, take long or stay locked, the workers delete the rest at once (`rest`). With `eraseSmall` a small account
 * is erased by the same transaction; should that fail, it is accepted all the same, in state `running`. Returns the
 * live erasure when there is one, and the finished one of an account that is gone. Throws `not_found` for an unknown
 * account, and `account_busy` while the application locks its row. Throws `too_slow`, with nothing changed, when a
 * statement takes too long or its turn comes after `until` (milliseconds of `performance.now()`). Work for somebody who
 * has been told that it failed would keep the next ones waiting, too.
 */
export async function requestErasure(
  ctx: Context,
  request: Request,
  { eraseSmall = false, until = Number.POSITIVE_INFINITY }: { eraseSmall?: boolean; until?: number } = {},
): Promise<Accepted> {
  const { lockBudgetMs } = ctx.settings;
  // A threshold in time may be more than the acceptance has.
  const inRows = typeof ctx.catalog.account.threshold === 'number';
  // What outlives the account has steps of its own, which the accepting transaction does not begin.
  const alone = !ctx.catalog.locations.some((l) => outlives(ctx.kinds, l));
  const way: Way = { probe: true, erase: eraseSmall && inRows && alone, deleteSessions: true };
  let contended = 0;
  for (;;) {
    try {
      return await transaction(
        ctx.db,
        // Less for a lock, so that the error says which of the two it was.
        { statementMs: lockBudgetMs / 2, lockMs: 0.4 * lockBudgetMs, totalMs: lockBudgetMs },
        async (tx) => {
          if (performance.now() >= until) throw new LetheError('too_slow', 'no connection was free in time; try again');
          return accept(tx, ctx, request, way);
        },
        { prepared: true },
      );
    } catch (error) {
      if (error instanceof ProbeTooLong || (way.probe && isOtherSchema(error))) {
        way.probe = false;
        continue;
      }
      const unerased = error instanceof NotErased;
      if (!unerased && !isContended(error)) throw error;
      // To accept comes first. Also where the server has ended the session: the erasing may have taken too long.
      const erased = way.erase;
      way.erase = false;
      if (unerased) {
        ctx.log.info(error.why, 'a small account is not erased by its acceptance, but after it');
        continue;
      }
      // Deleting sessions must not skip a locked one, so the whole acceptance gives way and comes again. But it must not
      // fail for one: what takes too long or stays locked is left to the workers.
      const locked = LOCKED.has(sqlState(error) ?? '');
      const recorded = locked ? await findRecorded(ctx, request) : null;
      if (recorded) return { erasure: recorded, created: false };
      contended += 1;
      if (contended === ATTEMPTS - 1 || !(locked || erased)) way.deleteSessions = false;
      if (contended < ATTEMPTS) continue;
      if (locked) throw new LetheError('account_busy', 'the application has locked rows of the account; try again');
      throw new LetheError(
        'too_slow',
        'accepting it took too long, and nothing was changed: the database is slow, or a trigger on the account’s table; try again',
      );
    }
  }
}

/** A table or column is gone, or not for us any more: what is missing cannot be counted, and stops the erasure later. */
const isOtherSchema = (error: unknown) => ['42P01', '42703', '42501', '42883'].includes(sqlState(error) ?? '');

async function accept(tx: Transaction, ctx: Context, request: Request, way: Way): Promise<Accepted> {
  const { lockBudgetMs } = ctx.settings;
  const [account, { now, live }, few] = await pipeline([
    () => findAccount(tx, ctx.catalog.account, request.accountKey, 'FOR NO KEY UPDATE'),
    () => readNowAndLive(tx, ctx.catalog, request.accountKey),
    async () => (way.probe ? countIfSmall(tx, ctx, request.accountKey) : null),
  ]);
  if (!account) return { erasure: await findFinished(tx, ctx, request.accountKey), created: false };
  const earlier = live ? await closeEarlier(tx, ctx, live) : null;
  if (live && !earlier) {
    if (request.idempotencyKeyHash) await tx.execute(linkOf(request.idempotencyKeyHash, live));
    return { erasure: (await findErasure(tx, live)) as Erasure, created: false };
  }
  const hold = account.onHold ? HELD_BY_APPLICATION : holdOf(earlier);
  // On hold it must not be erased by this request; what else it is does not matter then.
  const small = hold ? null : few;
  const wanted = describeErasure(ctx, request.requestedBy, account, { small: small !== null, now, hold });
  const record = async (kind?: 'received' | 'completed', gone?: Counts): Promise<Accepted> => {
    const mail = kind && account.email ? { kind, id: uuidv7() } : undefined;
    const known = { gone, mail, keyHash: request.idempotencyKeyHash };
    return { erasure: await insertErasure(tx, ctx.catalog, wanted, known), created: true, mail: mail?.id };
  };
  if (small && way.erase) return eraseAccepted(tx, ctx, account.key, small, (gone) => record('completed', gone));
  const accepted = await record(small ? undefined : 'received');
  await pipeline([
    // The account is locked: a locked session must not be waited for until somebody looks for a deadlock.
    () => limitStatements(tx, { statementMs: lockBudgetMs, lockMs: SESSION_WAIT_MS, reads: 'index' }),
    () => flagAccount(tx, ctx.catalog.account, account.key, true),
  ]);
  // What a person holds goes when they release it.
  const most = way.deleteSessions && !(hold && hold.by !== BY_APPLICATION) ? AT_REQUEST_ROWS : 0;
  const more = await deleteSessions(tx, ctx, wanted.id, account.key, most);
  return more && wanted.state === 'scheduled' ? leaveRest(tx, accepted) : accepted;
}

/** What is left of the rows `at: request` has a step of its own before the start, which reconcile finds should it get lost. */
async function leaveRest(tx: Transaction, accepted: Accepted): Promise<Accepted> {
  const rest = nextStep(accepted.erasure);
  const change = { step: rest.step, jobId: rest.jobId, dispatchedAt: accepted.erasure.requestedAt };
  await tx.update(erasure).set(change).where(eq(erasure.id, rest.erasureId));
  return { ...accepted, erasure: { ...accepted.erasure, ...change }, rest };
}

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

/** Deletes at most `most` rows of each location `at: request`. True when more may be there: the workers go on. */
async function deleteSessions(
  tx: Transaction,
  ctx: Context,
  erasureId: string,
  key: KeyValue,
  most: number,
): Promise<boolean> {
  if (most === 0) return ctx.catalog.locations.some((l) => l.atRequest);
  const record = async (rows: Counts, more: boolean) => {
    const data = { rows: Object.fromEntries(rows), ...(more ? { more } : {}) };
    await pipeline([
      () => recordOutside(tx, erasureId, rows, OUTSIDE),
      () => appendEvent(tx, erasureId, 'location.erased_at_request', data),
    ]);
  };
  const { more, kept } = await insideKind(ctx.kinds).inside.eraseAtRequest(tx, ctx, key, { most, record });
  if (kept.length > 0)
    ctx.log.error({ erasureId, tables: kept }, 'not deleted by the request: the database has drifted from the catalog');
  return more;
}

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
