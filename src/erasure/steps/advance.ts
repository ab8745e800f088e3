import { eq, sql } from 'drizzle-orm';
import { refuseUnusable } from '../../catalog/live/refuse-unusable.ts';
import { LetheError } from '../../errors.ts';
import { decodeKey } from '../../keys/encode.ts';
import type { KeyValue } from '../../keys/types.ts';
import { isAsked } from '../../locations/asked.ts';
import { outlives } from '../../locations/kinds/ask.ts';
import { erasure } from '../../store/schema.ts';
import { sanitize } from '../../store/sql-errors.ts';
import { adoptCatalog, withCatalogOf } from '../model/catalog-of.ts';
import type { Context } from '../model/context.ts';
import { type Dispatch, dispatchWindow } from '../model/dispatch.ts';
import { ensureTasks } from '../model/ensure-tasks.ts';
import { holdForApplication } from '../model/hold.ts';
import { closeIfNewerAccount } from '../model/newer-account.ts';
import { type Erasure, findErasure, hasSteps } from '../model/states.ts';
import { askEarly, earlyNames } from './ask-early.ts';
import { awaitAnswers } from './await-answers.ts';
import { eraseAtOnce } from './erase-at-once.ts';
import { endAtRequest, eraseAtRequest } from './erase-at-request.ts';
import { nextWindow, readTasks } from './next-window.ts';
import { planTask, type Task } from './plan.ts';
import { stall } from './stall.ts';
import { type Finished, verifyAndFinish } from './verify-and-finish.ts';

/** What should happen next. `superseded`: this step is not the current one, somebody else goes on. */
export type Next =
  | { kind: 'superseded' }
  | { kind: 'dispatch'; dispatch: Dispatch }
  | { kind: 'completed' }
  /** The account is gone, and what outlives it has been asked for. */
  | { kind: 'awaiting' }
  /** Somebody new has the account's key. */
  | { kind: 'cancelled' }
  | { kind: 'held' }
  /** What the request has left of the rows `at: request` is gone, or left to the start. */
  | { kind: 'scheduled' }
  | { kind: 'stalled'; error: LetheError };

/** Failed steps in a row before the erasure stalls: about twenty minutes of backoff. */
const MAX_FAILURES = 20;

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
    const closed = asksOn(ctx, running) ? null : await closeIfNewerAccount(ctx, running);
    if (closed) return { kind: closed.state === 'completed' ? 'completed' : 'cancelled' };
    if (running.state === 'awaiting') return await nextAnswer(ctx, running, account);
    if (running.state === 'scheduled') {
      const next = await eraseAtRequest(ctx, running, account);
      return next === 'over' ? { kind: 'scheduled' } : orSuperseded(next?.dispatch ?? null);
    }
    if (await holdForApplication(ctx, running)) return { kind: 'held' };
    if (running.catalogDigest !== ctx.catalog.digest) await adoptCatalog(ctx, running);
    const next = await decide(ctx, running, account);
    await forgetFailures(ctx, running);
    return next;
  } catch (error) {
    const clean = sanitize(error);
    if (clean.retry === 'never' || (await failedTooOften(current, running, clean)))
      return stopFor(current, running, clean);
    throw clean;
  }
}

/**
 * True where only partners are awaited: they are asked for what is older than the request, whoever has the key now. A call
 * that would find what is somebody else's is dropped by whoever makes it.
 */
const asksOn = (ctx: Context, { state }: Erasure): boolean =>
  state === 'awaiting' && ctx.catalog.locations.every((l) => isAsked(l) || !outlives(ctx.kinds, l));

/** What outlives the account is asked for by steps of its own. */
async function afterFinish(ctx: Context, running: Erasure, finished: Finished): Promise<Next> {
  if (finished === 'awaiting') return orSuperseded(await dispatchWindow(ctx, running));
  return typeof finished === 'string' ? { kind: finished } : orSuperseded(finished?.dispatch ?? null);
}

async function nextAnswer(ctx: Context, awaiting: Erasure, account: KeyValue): Promise<Next> {
  const next = await awaitAnswers(ctx, awaiting, account);
  await forgetFailures(ctx, awaiting);
  if (typeof next === 'string') return { kind: next };
  return next && 'failed' in next ? stopFor(ctx, awaiting, next.failed) : orSuperseded(next?.dispatch ?? null);
}

async function decide(ctx: Context, running: Erasure, account: KeyValue): Promise<Next> {
  refuseUnusable(ctx);
  const accepted = insideTasks(ctx, await tasksToBeginWith(ctx, running));
  const early = await askEarly(ctx, running, account);
  if (early) return orSuperseded(early.dispatch);
  const untouched =
    (running.step === 1 || earlyNames(ctx).size > 0) &&
    accepted.every((t) => t.startedAt === null) &&
    running.completedAt === null;
  const ended = untouched ? await eraseAtOnce(ctx, running) : null;
  if (ended) return afterFinish(ctx, running, ended);
  const begun = accepted.some((t) => t.startedAt !== null);
  for (const kind of Object.values(ctx.kinds)) await kind.look(ctx, account, { begun });
  const tasks = await planAll(ctx, running, account, accepted);
  const failed = tasks.find((t) => t.state === 'failed');
  if (failed) return await stopFor(ctx, running, LetheError.parse(failed.lastError ?? ''));
  const rowsPlanned = tasks.reduce((sum, t) => sum + (t.rowsPlanned ?? 0), 0);
  const window = await nextWindow(ctx, tasks);
  if (window.length > 0) return orSuperseded(await dispatchWindow(ctx, running, window, { rowsPlanned }));
  return afterFinish(ctx, running, await verifyAndFinish(ctx, running, account, rowsPlanned));
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

async function forgetFailures(ctx: Context, { id, failures }: Erasure): Promise<void> {
  if (failures > 0) await ctx.db.update(erasure).set({ failures: 0 }).where(eq(erasure.id, id));
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
  return insideTasks(ctx, await readTasks(ctx, running));
}

/** Without what outlives the account, which is asked for when that is gone. */
function insideTasks(ctx: Context, tasks: readonly Task[]): readonly Task[] {
  const later = new Set(ctx.catalog.locations.filter((l) => outlives(ctx.kinds, l)).map((l) => l.name));
  return tasks.filter((t) => !later.has(t.location));
}

const orSuperseded = (dispatch: Dispatch | null): Next =>
  dispatch ? { kind: 'dispatch', dispatch } : { kind: 'superseded' };

async function stopFor(ctx: Context, running: Erasure, error: LetheError): Promise<Next> {
  if (running.state === 'scheduled')
    return (await endAtRequest(ctx, running, { error })) ? { kind: 'scheduled' } : { kind: 'superseded' };
  return (await stall(ctx, running, error)) ? { kind: 'stalled', error } : { kind: 'superseded' };
}
