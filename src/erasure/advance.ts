import { and, asc, eq, inArray, isNull, sql } from 'drizzle-orm';
import type { KeyValue } from '../catalog/types.ts';
import { chunk, erasure, task } from '../db/schema.ts';
import { sanitize } from '../db/sql-errors.ts';
import { transaction } from '../db/transaction.ts';
import { countEachUpTo } from '../erasers/probe.ts';
import { LetheError } from '../errors.ts';
import { appendEvent } from '../events/append.ts';
import { adoptCatalog, withCatalogOf } from './catalog-of.ts';
import { accountTuple, type Context, OWN_TABLES, PROBING } from './context.ts';
import { type Dispatch, dispatchWindow } from './dispatch.ts';
import { ensureTasks } from './ensure-tasks.ts';
import { eraseAtOnce, rowsAtOnce } from './erase-at-once.ts';
import { eraseStubborn } from './erase-stubborn.ts';
import { finishErasure } from './finish.ts';
import { holdForApplication } from './hold.ts';
import { refuseStrays } from './look-for-strays.ts';
import { closeIfNewerAccount } from './newer-account.ts';
import { planTask, type Task } from './plan.ts';
import { refuseNewReferences, refuseUnusable, whereRowsAre } from './refuse-new-references.ts';
import { stall } from './stall.ts';
import { type Erasure, findErasure } from './states.ts';
import { recordThroughput } from './throughput.ts';

/** What should happen next. `superseded`: this step is not the current one, somebody else goes on. */
export type Next =
  | { kind: 'superseded' }
  | { kind: 'dispatch'; dispatch: Dispatch }
  | { kind: 'completed' }
  /** Somebody new has the account's key. */
  | { kind: 'cancelled' }
  | { kind: 'held' }
  | { kind: 'stalled'; error: LetheError };

/** Verification passes before an account counts as still being written. */
const MAX_PASSES = 5;
/** Finishing tries, with growing pauses, before a lock on the account counts as stuck. */
const MAX_FINISH_ATTEMPTS = 40;
/** Failed steps in a row before the erasure stalls: about twenty minutes of backoff. */
const MAX_FAILURES = 20;
/** Dispatches of a chunk without any progress before its task fails. */
const MAX_DISPATCHES = 20;
/** The last transaction walks the dead index entries of all that was deleted: some time, and more for more rows. */
const finishMs = (rowsPlanned: number) => 5_000 + rowsPlanned / 100;

/**
 * Decides from the ledger what an erasure needs next: plan, another window of chunks, a verification
 * pass, the last transaction, or an operator. Never from how its jobs ended. Safe to run twice.
 */
export async function advanceErasure(current: Context, erasureId: string, step: number): Promise<Next> {
  const running = await findErasure(current.db, erasureId);
  if (running?.state !== 'running' || running.heldAt || running.step !== step) return { kind: 'superseded' };
  const account = accountTuple(running.accountKey as string);
  try {
    const ctx = await withCatalogOf(current, running);
    const closed = await closeIfNewerAccount(ctx, running);
    if (closed) return { kind: closed.state === 'completed' ? 'completed' : 'cancelled' };
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

const readTasks = (ctx: Context, running: Erasure): Promise<Task[]> =>
  ctx.db
    .select()
    .from(task)
    .where(and(eq(task.erasureId, running.id), eq(task.kind, 'table')))
    .orderBy(asc(task.stage), asc(task.location));

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

/** The unfinished chunks of the lowest open stage, at most a window; tasks without any are done. */
async function nextWindow(ctx: Context, tasks: readonly Task[]) {
  const open = tasks.filter((t) => t.state === 'running');
  for (const stage of new Set(open.map((t) => t.stage))) {
    const ids = open.filter((t) => t.stage === stage).map((t) => t.id);
    const chunks = await ctx.db
      .select({
        id: chunk.id,
        taskId: chunk.taskId,
        dispatches: chunk.dispatches,
        pass: chunk.pass,
        range: chunk.number,
        rows: chunk.rowsPlanned,
      })
      .from(chunk)
      .where(and(inArray(chunk.taskId, ids), isNull(chunk.finishedAt)))
      .orderBy(asc(chunk.taskId), asc(chunk.pass), asc(chunk.number))
      .limit(ctx.settings.windowChunks);
    const exhausted = chunks.find((c) => c.dispatches >= MAX_DISPATCHES);
    if (exhausted)
      throw new LetheError(
        'chunk_exhausted',
        `chunk ${exhausted.id} made no progress in ${MAX_DISPATCHES} dispatches`,
        { taskId: exhausted.taskId },
      );
    if (chunks.length > 0) {
      const names = new Map(open.map((t) => [t.id, t.location]));
      return chunks.map(({ taskId, ...c }) => ({ ...c, location: names.get(taskId) as string }));
    }
    await ctx.db
      .update(task)
      .set({ state: 'done', finishedAt: sql`now()` })
      .where(and(inArray(task.id, ids), eq(task.state, 'running')));
  }
  return [];
}

async function verifyAndFinish(ctx: Context, running: Erasure, account: KeyValue, rowsPlanned: number): Promise<Next> {
  const limit = await rowsAtOnce(ctx);
  const counts = await transaction(ctx.db, PROBING, (tx) => countEachUpTo(tx, ctx.catalog.locations, account, limit));
  const left = ctx.catalog.locations.filter((_, i) => (counts[i] ?? 0) >= limit).map((location) => location.name);
  if (left.length > 0) return startPass(ctx, running, left);
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

/** Rows appeared behind the cursors: plan the locations that hold them once more. */
async function startPass(ctx: Context, running: Erasure, locations: string[]): Promise<Next> {
  if (running.passes >= MAX_PASSES) {
    throw new LetheError(
      'still_written',
      `after ${running.passes} verification passes rows remain in ${locations.join(', ')}`,
      { locations },
    );
  }
  const pass = running.pass + 1;
  const claimed = await transaction(ctx.db, OWN_TABLES, async (tx) => {
    const rows = await tx
      .update(erasure)
      .set({ pass, passes: running.passes + 1 })
      .where(
        and(
          eq(erasure.id, running.id),
          eq(erasure.state, 'running'),
          eq(erasure.step, running.step),
          eq(erasure.pass, running.pass),
        ),
      )
      .returning({ id: erasure.id });
    if (rows.length === 0) return false;
    await tx
      .update(task)
      .set({ state: 'pending', pass, finishedAt: null })
      .where(and(eq(task.erasureId, running.id), inArray(task.location, locations)));
    await appendEvent(tx, running.id, 'pass.started', { pass, locations });
    return true;
  });
  if (!claimed) return { kind: 'superseded' };
  return orSuperseded(await dispatchWindow(ctx, running));
}

const orSuperseded = (dispatch: Dispatch | null): Next =>
  dispatch ? { kind: 'dispatch', dispatch } : { kind: 'superseded' };

async function stopFor(ctx: Context, running: Erasure, error: LetheError): Promise<Next> {
  return (await stall(ctx, running, error)) ? { kind: 'stalled', error } : { kind: 'superseded' };
}
