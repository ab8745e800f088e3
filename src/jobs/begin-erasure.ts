import type { Context } from '../erasure/context.ts';
import type { Dispatch } from '../erasure/dispatch.ts';
import type { Accepted } from '../erasure/request.ts';
import { eraseNow, notHeld, startErasure } from '../erasure/start.ts';
import { type Erasure, findErasure, isFinal } from '../erasure/states.ts';
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
  // Together: each waits for a silent Redis as long as a request may, and the caller for the longest only.
  const told: Promise<unknown>[] = [];
  if (created && ctx.settings.signOut) told.push(enqueue.signOut(erasure.id));
  let dispatch: Dispatch | null = null;
  if (created && erasure.mode === 'immediate' && erasure.state === 'running') dispatch = await eraseNow(ctx, erasure);
  else if (startNow && erasure.state === 'scheduled') dispatch = await startErasure(ctx, erasure.id, notHeld, by);
  if (dispatch) told.push(enqueue.dispatch(dispatch));
  if (created) told.push(enqueue.mailsOf(erasure.id));
  const now = isFinal(erasure.state) ? erasure : findErasure(ctx.db, erasure.id);
  const [found] = await Promise.all([now, ...told]);
  return found as Erasure;
}
