import { z } from 'zod';
import type { Context } from '../../erasure/model/context.ts';
import {
  acknowledgeMessage,
  DUE_ACKNOWLEDGEMENTS,
  findOpenAcknowledgements,
} from '../../erasure/partner/acknowledge-message.ts';
import { sanitize } from '../../store/sql-errors.ts';
import { takeDue } from '../../store/take-due.ts';
import { backoff, defineJob, KEPT, type Order } from '../model/job.ts';
import { once } from '../model/order.ts';

const contract = {
  name: 'partner.acknowledge',
  queue: 'partners',
  payload: z.strictObject({ messageId: z.uuid() }),
  options: { ...KEPT, attempts: 6, backoff: backoff(500) },
} as const;

const acknowledgeOrder = (messageId: string) =>
  once(contract, { what: 'acknowledgement', subject: messageId, payload: { messageId } });

/** The orders for messages that asked for this erasure, which is over. Never rejects: reconcile puts those that are missed. */
export async function orderAcknowledgements(ctx: Context, erasureId: string): Promise<Order[]> {
  try {
    return (await findOpenAcknowledgements(ctx, erasureId)).map(acknowledgeOrder);
  } catch (error) {
    const { code } = sanitize(error);
    ctx.log.warn({ erasureId, code }, 'acknowledgements not enqueued; reconcile will create them');
    return [];
  }
}

/** One try to tell another Lethe that what its message asked for is done. What it does not take is due again later. */
export const partnerAcknowledge = defineJob({
  ...contract,
  entry: { as: 'acknowledge', order: acknowledgeOrder },
  due: {
    counted: 'acknowledgements',
    find: ({ ctx, put }) => takeDue(ctx.db, DUE_ACKNOWLEDGEMENTS, (id) => put(acknowledgeOrder(id))),
  },
  quiet: ['contended'],
  failed: () => {},

  run: async ({ ctx, tell }, { messageId }) => ({ outcome: await acknowledgeMessage(ctx, tell, messageId) }),
});
