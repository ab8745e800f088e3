import type { Accepted } from '../erasure/accept/request.ts';
import { eraseNow, notHeld, startErasure } from '../erasure/accept/start.ts';
import type { Context } from '../erasure/model/context.ts';
import type { Dispatch } from '../erasure/model/dispatch.ts';
import { type Erasure, findErasure } from '../erasure/model/states.ts';
import type { Enqueue } from './enqueue.ts';

/**
 * What follows when a request was accepted: a small account is erased at once, a large one is started
 * if `startNow` says so, and what the queues must know is on its way there: nobody waits for Redis, since what it
 * does not get is created again by reconcile. Returns the erasure as it is then.
 */
export async function beginErasure(
  ctx: Context,
  enqueue: Enqueue,
  { erasure, created, mail, rest }: Accepted,
  by: string,
  startNow: boolean,
): Promise<Erasure> {
  if (created) ctx.log.info({ erasureId: erasure.id, mode: erasure.mode, requestedBy: by }, 'erasure requested');
  if (created && ctx.settings.signOut) void enqueue.signOut(erasure.id);
  const begin = (): Promise<Dispatch | null> | undefined => {
    if (created && erasure.mode === 'immediate' && erasure.state === 'running') return eraseNow(ctx, erasure);
    if (startNow && erasure.state === 'scheduled') return startErasure(ctx, erasure.id, notHeld, by);
  };
  const begun = begin();
  const dispatch = (await begun) ?? rest;
  if (dispatch) void enqueue.dispatch(dispatch);
  if (mail) void enqueue.mail(mail);
  else if (created && begun) void enqueue.mailsOf(erasure.id);
  return begun ? ((await findErasure(ctx.db, erasure.id)) as Erasure) : erasure;
}
