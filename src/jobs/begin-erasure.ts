import type { Accepted } from '../erasure/accept/accept.ts';
import { eraseNow, notHeld, startErasure } from '../erasure/accept/start.ts';
import type { Context } from '../erasure/model/context.ts';
import type { Dispatch } from '../erasure/model/dispatch.ts';
import { type Erasure, findErasure } from '../erasure/model/states.ts';
import type { Enqueue } from './enqueue.ts';
import { orderOpenMails } from './list/mail-send.ts';

/**
 * What follows when a request was accepted. A small account is erased at once, a large one is started
 * if `startNow` says so. The queues are told what they must know, and nobody waits for Redis: reconcile creates again what
 * it does not get. `by`: who asked. Returns the erasure as it is then.
 */
export async function beginErasure(
  ctx: Context,
  enqueue: Enqueue,
  { erasure, created, mail, rest }: Accepted,
  { by, startNow }: { by: string; startNow: boolean },
): Promise<Erasure> {
  if (created) ctx.log.info({ erasureId: erasure.id, mode: erasure.mode, requestedBy: by }, 'erasure requested');
  if (created && ctx.settings.revokesTokens) void enqueue.revokeTokens(erasure.id);
  const begin = (): Promise<Dispatch | null> | undefined => {
    if (created && erasure.mode === 'immediate' && erasure.state === 'running') return eraseNow(ctx, erasure);
    if (startNow && erasure.state === 'scheduled') return startErasure(ctx, erasure.id, notHeld, by);
  };
  const begun = begin();
  const dispatch = (await begun) ?? rest;
  if (dispatch) void enqueue.dispatch(dispatch);
  if (mail) void enqueue.mail(mail);
  if (!begun) return erasure;
  const [now, mails] = await Promise.all([
    findErasure(ctx.db, erasure.id),
    created && !mail ? orderOpenMails(ctx, erasure.id) : [],
  ]);
  for (const order of mails) void enqueue.put(order);
  return now as Erasure;
}
