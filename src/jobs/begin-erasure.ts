import type { Context } from '../erasure/context.ts';
import type { Dispatch } from '../erasure/dispatch.ts';
import type { Accepted } from '../erasure/request.ts';
import { eraseNow, notHeld, startErasure } from '../erasure/start.ts';
import { type Erasure, findErasure, isFinal } from '../erasure/states.ts';
import type { Enqueue } from './enqueue.ts';

/**
 * What follows when a request was accepted: a small account is erased at once, a large one is started
 * if `startNow` says so, and what the queues must know is on its way there: nobody waits for Redis, since what it
 * does not get is created again by reconcile. Returns the erasure as it is then.
 */
export async function beginErasure(
  ctx: Context,
  enqueue: Enqueue,
  { erasure, created }: Accepted,
  by: string,
  startNow: boolean,
): Promise<Erasure> {
  if (created) ctx.log.info({ erasureId: erasure.id, mode: erasure.mode, requestedBy: by }, 'erasure requested');
  if (created && ctx.settings.signOut) void enqueue.signOut(erasure.id);
  let dispatch: Dispatch | null = null;
  if (created && erasure.mode === 'immediate' && erasure.state === 'running') dispatch = await eraseNow(ctx, erasure);
  else if (startNow && erasure.state === 'scheduled') dispatch = await startErasure(ctx, erasure.id, notHeld, by);
  if (dispatch) void enqueue.dispatch(dispatch);
  if (created) void enqueue.mailsOf(erasure.id);
  return isFinal(erasure.state) ? erasure : ((await findErasure(ctx.db, erasure.id)) as Erasure);
}
