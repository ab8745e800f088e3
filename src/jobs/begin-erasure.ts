import type { Context } from '../erasure/context.ts';
import type { Accepted } from '../erasure/request.ts';
import { eraseNow, notHeld, startErasure } from '../erasure/start.ts';
import { type Erasure, findErasure } from '../erasure/states.ts';
import type { Enqueue } from './enqueue.ts';

/**
 * What follows when a request was accepted: a small account is erased at once, a large one is started
 * if `startNow` says so, and what the queues must know is put there. Returns the erasure as it is then.
 */
export async function beginErasure(
  ctx: Context,
  enqueue: Enqueue,
  { erasure, created }: Accepted,
  by: string,
  startNow: boolean,
): Promise<Erasure> {
  if (created) ctx.log.info({ erasureId: erasure.id, mode: erasure.mode, requestedBy: by }, 'erasure requested');
  if (created && ctx.settings.signOut) await enqueue.signOut(erasure.id);
  if (created && erasure.mode === 'immediate') {
    const dispatch = await eraseNow(ctx, erasure);
    if (dispatch) await enqueue.dispatch(dispatch);
  } else if (startNow && erasure.state === 'scheduled') {
    const dispatch = await startErasure(ctx, erasure.id, notHeld, by);
    if (dispatch) await enqueue.dispatch(dispatch);
  }
  if (created) await enqueue.mailsOf(erasure.id);
  return (await findErasure(ctx.db, erasure.id)) as Erasure;
}
