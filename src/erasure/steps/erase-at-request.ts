import { and, eq, sql } from 'drizzle-orm';
import type { Location } from '../../catalog/live/types.ts';
import type { LetheError } from '../../errors.ts';
import { appendEvent } from '../../events/append.ts';
import type { KeyValue } from '../../keys/types.ts';
import { proveAll } from '../../locations/kinds/ask.ts';
import { OWN_TABLES, PROBING } from '../../store/limits.ts';
import { erasure } from '../../store/schema.ts';
import { transaction } from '../../store/transaction.ts';
import type { Context } from '../model/context.ts';
import { type Dispatch, dispatchWindow } from '../model/dispatch.ts';
import type { Erasure } from '../model/states.ts';
import { MAX_PASSES, nextWindow, readTasks, startPass } from './next-window.ts';
import { planTask } from './plan.ts';

/** `dispatch`: there is more to do. `over`: the rest waits for the start. Null: somebody else goes on. */
type AtRequest = { dispatch: Dispatch } | 'over' | null;

/**
 * The next step of a scheduled erasure whose request has left rows `at: request`, because they were too many for its
 * transaction or locked. The user's sessions are to be deleted now, not at the start. The same chunks, windows and
 * passes as those of a running erasure, of these locations only. What the application keeps writing is the start's.
 */
export async function eraseAtRequest(ctx: Context, scheduled: Erasure, account: KeyValue): Promise<AtRequest> {
  const locations = ctx.catalog.locations.filter((l) => l.atRequest);
  const names = locations.map((l) => l.name);
  const ours = async () => (await readTasks(ctx, scheduled)).filter((t) => names.includes(t.location));
  for (const t of await ours()) if (t.state === 'pending') await planTask(ctx, t, account, { begins: false });
  const tasks = await ours();
  const window = await nextWindow(ctx, tasks);
  if (window.length > 0) return orNull(await dispatchWindow(ctx, scheduled, window));
  const left = await transaction(ctx.db, PROBING, (tx) => proveAll(ctx.kinds, tx, sound(locations, tasks), account));
  if (left.length > 0 && scheduled.passes < MAX_PASSES) return orNull(await startPass(ctx, scheduled, left));
  return (await endAtRequest(ctx, scheduled, { left })) ? 'over' : null;
}

/** Without those that failed for good, which an operator is told about. */
const sound = (locations: readonly Location[], tasks: readonly { location: string; state: string }[]) =>
  locations.filter((l) => tasks.some((t) => t.location === l.name && t.state !== 'failed'));

const orNull = (dispatch: Dispatch | null) => dispatch && { dispatch };

/**
 * Leaves the rest to the start, which does not inherit how often it was tried. `left`: locations that are still written
 * to; `error`: what is in the way. False: somebody was faster.
 */
export async function endAtRequest(
  ctx: Context,
  scheduled: Erasure,
  { left = [], error }: { left?: string[]; error?: LetheError },
): Promise<boolean> {
  const ended = await transaction(ctx.db, OWN_TABLES, async (tx) => {
    const rows = await tx
      .update(erasure)
      .set({ dispatchedAt: null, passes: 0, failures: 0 })
      .where(and(eq(erasure.id, scheduled.id), eq(erasure.state, 'scheduled'), eq(erasure.step, scheduled.step)))
      .returning({ id: erasure.id });
    if (rows.length === 0) return false;
    await tx.execute(sql`UPDATE lethe.chunk SET dispatches = 0 WHERE finished_at IS NULL
      AND task_id IN (SELECT id FROM lethe.task WHERE erasure_id = ${scheduled.id})`);
    if (!error) await appendEvent(tx, scheduled.id, 'location.erased_at_request', { over: true, left });
    return true;
  });
  if (ended && error)
    ctx.log.error(
      { erasureId: scheduled.id, code: error.code, detail: error.detail },
      'rows at: request are left until the start: an operator is needed for the user to be signed out',
    );
  return ended;
}
