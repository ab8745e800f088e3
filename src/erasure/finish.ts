import { and, eq, isNull, ne, sql } from 'drizzle-orm';
import type { KeyValue, Location } from '../catalog/types.ts';
import type { Transaction } from '../db/client.ts';
import { erasure, task } from '../db/schema.ts';
import { isContended, sanitize, sqlState } from '../db/sql-errors.ts';
import { afterCommit, limitStatements, pipeline, readBy, setLimits, transaction } from '../db/transaction.ts';
import { deleteAccountRow, findAccount } from '../erasers/account.ts';
import { canEraseEverything, eraseEverything } from '../erasers/everything.ts';
import { countEachUpTo, findRemaining } from '../erasers/probe.ts';
import { eraseRows } from '../erasers/table.ts';
import { LetheError } from '../errors.ts';
import { appendEvent } from '../events/append.ts';
import { insertNotification } from '../mail/insert-notification.ts';
import { accountTuple, type Context, GIVE_WAY_MS } from './context.ts';
import { OUTSIDE, recordOutside } from './ledger.ts';
import { refuseNewReferences } from './refuse-new-references.ts';
import { type Erasure, transition } from './states.ts';

/**
 * `completed`: nothing is left and the account row is gone. `more`: a location holds more rows than
 * one transaction may take. `locked`: the application holds locks.
 * `held`: its column says that the account must be kept. `superseded`: somebody else works on it.
 */
export type FinishOutcome = 'completed' | 'more' | 'locked' | 'held' | 'superseded';

export type FinishLimits = {
  /** Rows per location that this transaction may still delete. */
  rows: number;
  /** From the account's lock to commit. */
  ms: number;
  /**
   * Nothing has been deleted yet: count first, and delete each location's rows with one statement, which waits
   * for a locked row for a moment. Otherwise the rows are picked, and locked ones left.
   */
  untouched?: boolean;
};

/** Carries an outcome out of a transaction that must be rolled back. */
class Rollback extends Error {
  readonly outcome: FinishOutcome;
  constructor(outcome: FinishOutcome) {
    super(outcome);
    this.outcome = outcome;
  }
}

/**
 * The last transaction: holds the account row, so that no foreign key lets a new row in, deletes the
 * few rows that are left, proves every location empty and deletes the account. Rows that are locked
 * are not waited for while the account is held (`untouched`: for GIVE_WAY_MS at most): that is what makes an
 * application the victim of a deadlock. Throws `still_referenced` or `foreign_reference` when a row that is not this account's is in the way.
 */
export async function finishErasure(ctx: Context, running: Erasure, limits: FinishLimits): Promise<FinishOutcome> {
  const account = accountTuple(running.accountKey as string);
  const wait = ctx.settings.lockBudgetMs / 2;
  return outcomeOf(() =>
    transaction(ctx.db, { statementMs: wait, lockMs: wait }, async (tx) => {
      if (limits.untouched) {
        const counts = await countEachUpTo(tx, ctx.catalog.locations, account, limits.rows);
        if (counts.some((rows) => rows >= limits.rows)) throw new Rollback('more');
      }
      const [row, , , claimed] = await pipeline([
        () => findAccount(tx, ctx.catalog.account, account, 'FOR UPDATE'),
        () => setLimits(tx, { statementMs: limits.ms, lockMs: GIVE_WAY_MS, totalMs: limits.ms }),
        () => readBy(tx, 'index'),
        () => claimStep(tx, running),
      ]);
      if (!claimed) throw new Rollback('superseded');
      // A reopened erasure whose account exists again is closed by the next step.
      if (row && running.completedAt) throw new Rollback('superseded');
      if (row?.onHold) throw new Rollback('held');
      const gone = await eraseAll(tx, ctx, account, limits);
      await complete(tx, ctx, running, gone);
      afterCommit(tx, () => ctx.onDeleted?.(gone));
    }),
  );
}

/**
 * The same within the transaction that has just accepted the erasure of a small account and holds its row, under its
 * limit: what fails is undone to there, and the acceptance stands. Returns the completed erasure too.
 */
export async function finishAccepted(
  tx: Transaction,
  ctx: Context,
  accepted: Erasure,
  limits: Omit<FinishLimits, 'untouched'>,
): Promise<{ outcome: FinishOutcome; completed: Erasure | undefined }> {
  const account = accountTuple(accepted.accountKey as string);
  let completed: Erasure | undefined;
  const outcome = await outcomeOf(() =>
    tx.transaction(async (inner) => {
      const [, , , gone] = await pipeline([
        () => limitStatements(inner, { statementMs: limits.ms, lockMs: GIVE_WAY_MS }),
        () => readBy(inner, 'index'),
        () => findAccount(inner, ctx.catalog.account, account, 'FOR UPDATE'),
        () => eraseAll(inner, ctx, account, { ...limits, untouched: true }),
      ]);
      completed = await complete(inner, ctx, accepted, gone);
      afterCommit(tx, () => ctx.onDeleted?.(gone));
    }),
  );
  return { outcome, completed };
}

async function outcomeOf(work: () => Promise<void>): Promise<FinishOutcome> {
  try {
    await work();
    return 'completed';
  } catch (error) {
    if (error instanceof Rollback) return error.outcome;
    if (isContended(error)) return 'locked';
    const clean = sanitize(error);
    if (sqlState(error) !== '23503') throw clean;
    throw new LetheError('still_referenced', clean.detail);
  }
}

/** Deletes what there is, proves it, and deletes the account, whose row the caller holds. What it returns is counted by location. */
async function eraseAll(
  tx: Transaction,
  ctx: Context,
  account: KeyValue,
  limits: FinishLimits,
): Promise<Map<string, number>> {
  // Before, so that the error is about the key and not about a row behind it; and after, when the locks of what was
  // deleted keep a further key out until the commit.
  const refuse = () => refuseNewReferences(tx, ctx.catalog);
  if (limits.untouched && canEraseEverything(ctx.catalog)) {
    const [, { gone, remaining }] = await pipeline([refuse, () => eraseEverything(tx, ctx.catalog, account), refuse]);
    if (remaining.length > 0) throw new Rollback('locked');
    return gone;
  }
  await refuse();
  const gone = await deleteLeftovers(tx, ctx, account, limits.rows);
  if ((await findRemaining(tx, ctx.catalog.locations, account)).length > 0) throw new Rollback('locked');
  gone.set(ctx.catalog.account.table, await deleteAccountRow(tx, ctx.catalog.account, account));
  await refuse();
  return gone;
}

/** Holds the erasure's row if it is still at this step and not held: whoever has the row decides. */
export async function claimStep(tx: Transaction, running: Erasure): Promise<boolean> {
  const rows = await tx
    .select({ id: erasure.id })
    .from(erasure)
    .where(
      and(
        eq(erasure.id, running.id),
        eq(erasure.state, 'running'),
        eq(erasure.step, running.step),
        isNull(erasure.heldAt),
      ),
    )
    .for('no key update');
  return rows.length > 0;
}

async function deleteLeftovers(
  tx: Transaction,
  ctx: Context,
  account: KeyValue,
  limit: number,
): Promise<Map<string, number>> {
  const gone = new Map<string, number>();
  const pick = { lower: null, upper: null, limit, skipLocked: true };
  const erase = (location: Location) => () => eraseRows(tx, ctx.catalog, location, account, pick);
  const above = ctx.catalog.locations.filter((l) => l.children.length > 0);
  const leaves = ctx.catalog.locations.filter((l) => l.children.length === 0);
  const all = await pipeline(leaves.map(erase));
  // Several statements each, and stage after stage: those below must be gone.
  for (const location of above) all.push(await erase(location)());
  for (const deleted of all) {
    if (deleted.more) throw new Rollback('more');
    for (const [name, count] of deleted.rows) gone.set(name, (gone.get(name) ?? 0) + count);
  }
  return gone;
}

async function complete(
  tx: Transaction,
  ctx: Context,
  running: Erasure,
  gone: ReadonlyMap<string, number>,
): Promise<Erasure> {
  const finishTasks = async () => {
    await tx
      .update(task)
      .set({ state: 'done', lastError: null, startedAt: sql`coalesce(started_at, now())`, finishedAt: sql`now()` })
      .where(and(eq(task.erasureId, running.id), ne(task.state, 'done')));
  };
  const unguarded = ctx.catalog.locations.some((l) => !l.guarded);
  const finish = () =>
    transition(tx, running.id, 'running', 'completed', {
      completedAt: sql`now()`,
      retryAt: null,
      // Only the first completion asks for probes: each is an hour, then a day after it.
      probeAt: unguarded && !running.completedAt ? sql`now() + interval '1 hour'` : running.probeAt,
    });
  const [, , , done] = await pipeline([
    () => recordOutside(tx, running.id, gone, OUTSIDE),
    finishTasks,
    () => appendEvent(tx, running.id, 'account.erased', { catalog: ctx.catalog.digest }),
    finish,
    async () => (running.email ? insertNotification(tx, running.id, 'completed') : undefined),
  ]);
  if (!done) throw new Rollback('superseded');
  return done;
}
