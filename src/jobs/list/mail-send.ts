import { z } from 'zod';
import type { Context } from '../../erasure/model/context.ts';
import { DUE_MAILS, findOpenMails } from '../../mail/due-mails.ts';
import { sendMail } from '../../mail/send.ts';
import { sanitize } from '../../store/sql-errors.ts';
import { takeDue } from '../../store/take-due.ts';
import { backoff, defineJob, KEPT, type Order } from '../model/job.ts';
import { once } from '../model/order.ts';

const contract = {
  name: 'mail.send',
  queue: 'mail',
  payload: z.strictObject({ notificationId: z.uuid() }),
  options: { ...KEPT, attempts: 6, backoff: backoff(1000) },
} as const;

export const mailOrder = (notificationId: string) =>
  once(contract, { what: 'mail', subject: notificationId, payload: { notificationId } });

/** The orders for an erasure's mails that have not been sent. Never rejects: reconcile puts those that are missed. */
export async function orderOpenMails(ctx: Context, erasureId: string): Promise<Order[]> {
  try {
    return (await findOpenMails(ctx.db, erasureId)).map(mailOrder);
  } catch (error) {
    ctx.log.warn({ erasureId, code: sanitize(error).code }, 'mails not enqueued; reconcile will create them');
    return [];
  }
}

/** One attempt to send one mail. */
export const mailSend = defineJob({
  ...contract,
  entry: { as: 'mail', order: mailOrder },
  due: { counted: 'mails', find: ({ ctx, put }) => takeDue(ctx.db, DUE_MAILS, (id) => put(mailOrder(id))) },
  quiet: ['contended', 'mail_deferred'],
  failed: (metrics, code) => {
    if (code === 'mail_deferred') metrics.mails.inc({ outcome: 'deferred' });
  },

  run: async ({ mail, metrics }, { notificationId }) => {
    const outcome = await sendMail(mail, notificationId);
    metrics.mails.inc({ outcome });
    return { outcome };
  },
});
