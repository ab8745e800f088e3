import { eq, sql } from 'drizzle-orm';
import { LetheError } from '../../errors.ts';
import { decodeKey } from '../../keys/encode.ts';
import type { KeyValue } from '../../keys/types.ts';
import { eraseStubborn } from '../../locations/table/erase-stubborn.ts';
import { refuseStrays } from '../../locations/table/look-for-strays.ts';
import { countEachUpTo } from '../../locations/table/probe.ts';
import { refuseNewReferences, refuseUnusable, whereRowsAre } from '../../locations/table/refuse-new-references.ts';
import { erasure } from '../../store/schema.ts';
import { sanitize } from '../../store/sql-errors.ts';
import { transaction } from '../../store/transaction.ts';
import { adoptCatalog, withCatalogOf } from '../model/catalog-of.ts';
import { type Context, PROBING } from '../model/context.ts';
import { type Dispatch, dispatchWindow } from '../model/dispatch.ts';
import { ensureTasks } from '../model/ensure-tasks.ts';
import { holdForApplication } from '../model/hold.ts';
import { closeIfNewerAccount } from '../model/newer-account.ts';
import { type Erasure, findErasure, hasSteps } from '../model/states.ts';
import { recordThroughput } from '../model/throughput.ts';
import { eraseAtOnce, rowsAtOnce } from './erase-at-once.ts';
import { endAtRequest, eraseAtRequest } from './erase-at-request.ts';
import { finishErasure } from './finish.ts';
import { nextWindow, readTasks, startPass } from './next-window.ts';
import { planTask, type Task } from './plan.ts';
import { stall } from './stall.ts';

/** What should happen next. `superseded`: this step is not the current one, somebody else goes on. */
export type Next =
  | { kind: 'superseded' }
  | { kind: 'dispatch'; dispatch: Dispatch }
  | { kind: 'completed' }
  /** Somebody new has the account's key. */
  | { kind: 'cancelled' }
  | { kind: 'held' }
  /** What the request has left of the rows `at: request` is gone, or left to the start. */
  | { kind: 'scheduled' }
  | { kind: 'stalled'; error: LetheError };

/** Finishing tries, with growing pauses, before a lock on the account counts as stuck. */
const MAX_FINISH_ATTEMPTS = 40;
/** Failed steps in a row before the erasure stalls: about twenty minutes of backoff. */
const MAX_FAILURES = 20;
/** The last transaction walks the dead index entries of all that was deleted: some time, and more for more rows. */
const finishMs = (rowsPlanned: number) => 5_000 + rowsPlanned / 100;

/**
 * Decides from the ledger what an erasure needs next: plan, another window of chunks, a verification
 * pass, the last transaction, or an operator. Never from how its jobs ended. Safe to run twice.
 */
export async function advanceErasure(current: Context, erasureId: string, step: number): Promise<Next> {
  const running = await findErasure(current.db, erasureId);
  if (!running || !hasSteps(running) || running.step !== step) return { kind: 'superseded' };
  try {
    const ctx = await withCatalogOf(current, running);
    const account = decodeKey(ctx.catalog.account.key, running.accountKey as string);
    const closed = await closeIfNewerAccount(ctx, running);
    if (closed) return { kind: closed.state === 'completed' ? 'completed' : 'cancelled' };
    if (running.state === 'scheduled') {
      const next = await eraseAtRequest(ctx, running, account);
      return next === 'over' ? { kind: 'scheduled' } : orSuperseded(next?.dispatch ?? null);
    }
    if (await holdForApplication(ctx, running)) return { kind: 'held' };
    if (running.catalogDigest !== ctx.catalog.digest) await adoptCatalog(ctx, running);
    const next = await decide(ctx, running, account);
    if (running.failures > 0) await ctx.db.update(erasure).set({ failures: 0 }).where(eq(erasure.id, erasureId));
    return next;
  } catch (error) {
    const clean = sanitize(error);
    if (clean.retry === 'never' || (await failedTooOften(current, running, clean)))
      return stopFor(current, running, clean);
    throw clean;
  }
}

async function decide(ctx: Context, running: Erasure, account: KeyValue): Promise<Next> {
  refuseUnusable(ctx);
  const accepted = await tasksToBeginWith(ctx, running);
  const untouched = running.step === 1 && running.completedAt === null;
  if (untouched && (await eraseAtOnce(ctx, running))) return { kind: 'completed' };
  await refuseNewReferences(ctx.db, ctx.catalog, {
    concerns: (table) => transaction(ctx.db, PROBING, async (tx) => whereRowsAre(tx, ctx.catalog, account)(table)),
  });
  if (accepted.every((t) => t.startedAt === null)) await refuseStrays(ctx, account, accepted);
  const tasks = await planAll(ctx, running, account, accepted);
  const failed = tasks.find((t) => t.state === 'failed');
  if (failed) return await stopFor(ctx, running, LetheError.parse(failed.lastError ?? ''));
  const rowsPlanned = tasks.reduce((sum, t) => sum + (t.rowsPlanned ?? 0), 0);
  const window = await nextWindow(ctx, tasks);
  if (window.length > 0) return orSuperseded(await dispatchWindow(ctx, running, window, { rowsPlanned }));
  return await verifyAndFinish(ctx, running, account, rowsPlanned);
}

/** Counts a step that failed. Without the count a statement that can never work would be tried for ever, unnoticed. */
async function failedTooOften(ctx: Context, running: Erasure, error: LetheError): Promise<boolean> {
  if (error.code === 'database_unavailable') return false;
  const [row] = await ctx.db
    .update(erasure)
    .set({ failures: sql`failures + 1` })
    .where(eq(erasure.id, running.id))
    .returning({ failures: erasure.failures });
  return (row?.failures ?? 0) >= MAX_FAILURES;
}

/** Its tasks; before any has begun also that of a location which could not be used when the request was accepted. */
async function tasksToBeginWith(ctx: Context, running: Erasure): Promise<Task[]> {
  const tasks = await readTasks(ctx, running);
  const known = new Set(tasks.map((t) => t.location));
  if (tasks.some((t) => t.startedAt !== null) || ctx.catalog.locations.every((l) => known.has(l.name))) return tasks;
  await ensureTasks(ctx.db, ctx.catalog, running);
  return readTasks(ctx, running);
}

async function planAll(
  ctx: Context,
  running: Erasure,
  account: KeyValue,
  tasks: readonly Task[],
): Promise<readonly Task[]> {
  const pending = tasks.filter((t) => t.state === 'pending');
  if (pending.length === 0) return tasks;
  for (const t of pending) await planTask(ctx, t, account);
  return readTasks(ctx, running);
}

async function verifyAndFinish(ctx: Context, running: Erasure, account: KeyValue, rowsPlanned: number): Promise<Next> {
  const limit = await rowsAtOnce(ctx);
  const counts = await transaction(ctx.db, PROBING, (tx) => countEachUpTo(tx, ctx.catalog.locations, account, limit));
  const left = ctx.catalog.locations.filter((_, i) => (counts[i] ?? 0) >= limit).map((location) => location.name);
  if (left.length > 0) return orSuperseded(await startPass(ctx, running, left));
  const started = performance.now();
  const outcome = await finishErasure(ctx, running, { rows: limit, ms: finishMs(rowsPlanned) });
  if (outcome === 'completed') {
    await recordThroughput(ctx.db, ctx.catalog.account.table, rowsPlanned, performance.now() - started).catch(
      // The erasure is completed, whatever becomes of a measurement.
      (error: Error) => ctx.log.debug({ code: error.name }, 'speed not recorded'),
    );
    return { kind: 'completed' };
  }
  if (outcome === 'held') return (await holdForApplication(ctx, running)) ? { kind: 'held' } : { kind: 'superseded' };
  if (outcome === 'superseded') return { kind: 'superseded' };
  const attempts = running.finishAttempts + 1;
  if (attempts >= MAX_FINISH_ATTEMPTS) {
    throw new LetheError(
      'account_locked',
      `the account or rows of it were locked or written in ${attempts} attempts to finish`,
    );
  }
  if (outcome === 'locked' && attempts > 1) await eraseStubborn(ctx, running, account);
  await ctx.db.update(erasure).set({ finishAttempts: attempts }).where(eq(erasure.id, running.id));
  return orSuperseded(await dispatchWindow(ctx, running, [], { delayMs: finishPause(attempts) }));
}

/** Pause before the next attempt to finish: doubling to ten seconds, with jitter so that two never meet in step. */
const finishPause = (attempts: number) => Math.round(Math.min(10_000, 50 * 2 ** attempts) * (0.5 + Math.random() / 2));

const orSuperseded = (dispatch: Dispatch | null): Next =>
  dispatch ? { kind: 'dispatch', dispatch } : { kind: 'superseded' };

async function stopFor(ctx: Context, running: Erasure, error: LetheError): Promise<Next> {
  if (running.state === 'scheduled')
    return (await endAtRequest(ctx, running, { error })) ? { kind: 'scheduled' } : { kind: 'superseded' };
  return (await stall(ctx, running, error)) ? { kind: 'stalled', error } : { kind: 'superseded' };
}
