import { and, eq, inArray, notInArray, sql } from 'drizzle-orm';
import type { Catalog } from '../../catalog/live/types.ts';
import type { Happened } from '../../events/append.ts';
import type { Counts } from '../../locations/kind.ts';
import { Rollback } from '../../locations/kind.ts';
import { insideNames, outlives } from '../../locations/kinds/ask.ts';
import { insertNotification } from '../../mail/insert-notification.ts';
import type { Executor, Transaction } from '../../store/client.ts';
import { task } from '../../store/schema.ts';
import { pipeline } from '../../store/transaction.ts';
import { recordGathered } from '../calls/gather.ts';
import type { Context } from '../model/context.ts';
import { OUTSIDE, recordOutside } from '../model/ledger.ts';
import { type Erasure, transition } from '../model/states.ts';

/** What the first completion changes, and what happened just before it. */
export const firstCompletion = (catalog: Catalog) => ({
  change: {
    completedAt: sql`now()`,
    // Only the first one asks for probes: each is an hour, then a day after it.
    probeAt: catalog.locations.some((l) => !l.guarded) ? sql`now() + interval '1 hour'` : null,
  },
  before: [
    { type: 'account.erased', data: { catalog: catalog.digest, locations: erasedLocations(catalog) } },
  ] satisfies Happened[],
});

/** Names of the places that have no data of the account any more: whoever has copies of them deletes those. */
const erasedLocations = ({ locations, account }: Catalog): string[] => [
  ...locations.filter(({ action }) => action === 'delete' || action === 'set').map(({ name }) => name),
  account.table,
];

/** States in which a task has nothing more to do. */
const SETTLED = ['done', 'retained'];

/** True while an answer is outstanding, or what outlives the account has not been asked for yet. */
export async function hasOutstanding(db: Executor, erasureId: string): Promise<boolean> {
  const open = await db
    .select({ id: task.id })
    .from(task)
    .where(and(eq(task.erasureId, erasureId), notInArray(task.state, SETTLED)))
    .limit(1);
  return open.length > 0;
}

/**
 * The evidence of the last transaction: what it deleted (`gone`, by location), the tasks that it has proved done, the
 * state, the mail to send. A task of a kind that takes no part in it keeps its state, and so does a retained one. Where a
 * location outlives the account the erasure is `awaiting` then.
 */
export async function complete(
  tx: Transaction,
  ctx: Context,
  running: Pick<Erasure, 'id' | 'email' | 'completedAt' | 'probeAt'>,
  gone: Counts,
): Promise<'completed' | 'awaiting'> {
  const finishTasks = async () => {
    await tx.execute(sql`
      UPDATE ${task} SET state = 'done', last_error = NULL, started_at = coalesce(started_at, now()), finished_at = now()
       WHERE erasure_id = ${running.id} AND state <> 'done' AND state <> 'retained'
         AND ${inArray(sql`kind`, ['account', ...insideNames(ctx.kinds)])}`);
  };
  const count = () => recordOutside(tx, running.id, gone, OUTSIDE);
  const { before } = firstCompletion(ctx.catalog);
  if (ctx.catalog.locations.some((l) => outlives(ctx.kinds, l))) {
    await pipeline([count, finishTasks]);
    await recordGathered(tx, ctx, running.id);
    // Also where nothing is outstanding: what outlives the account is proved by the step that follows.
    const change = { dispatchedAt: sql`now()`, retryAt: null };
    if (!(await transition(tx, running.id, 'running', 'awaiting', change, { before })))
      throw new Rollback('superseded');
    return 'awaiting';
  }
  const [, , done] = await pipeline([
    count,
    finishTasks,
    () => moveToCompleted(tx, ctx, running, 'running', before),
    () => notifyCompleted(tx, running),
  ]);
  if (!done) throw new Rollback('superseded');
  return 'completed';
}

type Ending = Pick<Erasure, 'id' | 'email' | 'completedAt' | 'probeAt'>;

/** Completes an erasure that awaits nothing more, and writes down the mail to send. False: somebody was faster. */
export async function endErasure(tx: Transaction, ctx: Context, awaiting: Ending): Promise<boolean> {
  if (!(await moveToCompleted(tx, ctx, awaiting, 'awaiting'))) return false;
  await notifyCompleted(tx, awaiting);
  return true;
}

const moveToCompleted = (
  tx: Transaction,
  ctx: Context,
  { id, completedAt, probeAt }: Ending,
  from: 'running' | 'awaiting',
  before: readonly Happened[] = [],
) => {
  const { change } = firstCompletion(ctx.catalog);
  const again = completedAt ? { probeAt } : {};
  return transition(tx, id, from, 'completed', { ...change, retryAt: null, ...again }, { before });
};

const notifyCompleted = async (tx: Transaction, { id, email }: Ending) =>
  email ? insertNotification(tx, id, 'completed') : undefined;
