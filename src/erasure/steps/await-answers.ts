import { and, eq } from 'drizzle-orm';
import { LetheError } from '../../errors.ts';
import type { KeyValue } from '../../keys/types.ts';
import { outlives, proveAll } from '../../locations/kinds/ask.ts';
import { OWN_TABLES, PROBING } from '../../store/limits.ts';
import { erasure, task } from '../../store/schema.ts';
import { transaction } from '../../store/transaction.ts';
import type { Context } from '../model/context.ts';
import { type Dispatch, dispatchWindow } from '../model/dispatch.ts';
import type { Erasure } from '../model/states.ts';
import { endErasure, hasOutstanding } from './complete.ts';
import { nextWindow, readTasks, startPass } from './next-window.ts';
import { planStage } from './plan-stage.ts';

/**
 * `dispatch`: there is something to ask. `failed`: a task has failed for good. `awaiting`: all was asked for, and answers
 * are outstanding. Null: somebody else goes on.
 */
export type Answers = { dispatch: Dispatch } | { failed: LetheError } | 'awaiting' | 'completed' | null;

/**
 * The next step of an erasure whose account is gone: asks what outlives it, waits for the answers, proves them and
 * completes the erasure. Nothing outside is asked before the account is gone: what stalls before can still be undone.
 */
export async function awaitAnswers(ctx: Context, awaiting: Erasure, account: KeyValue): Promise<Answers> {
  const locations = ctx.catalog.locations.filter((l) => outlives(ctx.kinds, l));
  const names = locations.map((l) => l.name);
  const ours = async () => (await readTasks(ctx, awaiting)).filter((t) => names.includes(t.location));
  const tasks = await planStage(ctx, ours, account);
  const failed = tasks.find((t) => t.state === 'failed');
  if (failed) return { failed: LetheError.parse(failed.lastError ?? '') };
  const window = await nextWindow(ctx, tasks);
  if (window.length > 0) return orNull(await dispatchWindow(ctx, awaiting, window));
  if (await waitForAnswers(ctx, awaiting)) return 'awaiting';
  const left = await transaction(ctx.db, PROBING, (tx) => proveAll(ctx.kinds, tx, locations, account));
  if (left.length > 0) return orNull(await startPass(ctx, awaiting, left));
  const ended = await transaction(ctx.db, OWN_TABLES, async (tx) => {
    const claimed = await claimAwaiting(tx, awaiting);
    // A hold that has come meanwhile keeps it as it is; the release goes on.
    if (!claimed || claimed.heldAt || (await hasOutstanding(tx, awaiting.id))) return false;
    return endErasure(tx, ctx, awaiting);
  });
  return ended ? 'completed' : null;
}

const orNull = (dispatch: Dispatch | null): Answers => dispatch && { dispatch };

type Tx = Parameters<Parameters<typeof transaction>[2]>[0];

/** Locks the erasure's row if it is still at this step: an answer that comes now waits, and sees what was decided. */
async function claimAwaiting(tx: Tx, { id, step }: Erasure): Promise<{ heldAt: Date | null } | undefined> {
  const [claimed] = await tx
    .select({ heldAt: erasure.heldAt })
    .from(erasure)
    .where(and(eq(erasure.id, id), eq(erasure.state, 'awaiting'), eq(erasure.step, step)))
    .for('no key update');
  return claimed;
}

/** Ends the step while answers are outstanding: the last one of them begins another. False: none is. */
async function waitForAnswers(ctx: Context, awaiting: Erasure): Promise<boolean> {
  return transaction(ctx.db, OWN_TABLES, async (tx) => {
    if (!(await claimAwaiting(tx, awaiting))) return false;
    const open = await tx
      .select({ id: task.id })
      .from(task)
      .where(and(eq(task.erasureId, awaiting.id), eq(task.state, 'awaiting')))
      .limit(1);
    if (open.length === 0) return false;
    await tx.update(erasure).set({ dispatchedAt: null }).where(eq(erasure.id, awaiting.id));
    return true;
  });
}
