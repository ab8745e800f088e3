import { z } from 'zod';
import type { Dispatch } from '../../erasure/model/dispatch.ts';
import { advanceErasure } from '../../erasure/steps/advance.ts';
import { dispatchLost } from '../../erasure/upkeep/lost-steps.ts';
import { backoff, defineJob, KEPT, type Order } from '../model/job.ts';
import { jobOf } from '../model/order.ts';
import { chunkErase } from './chunk-erase.ts';
import { orderOpenMails } from './mail-send.ts';
import { orderAcknowledgements } from './partner-acknowledge.ts';

const contract = {
  name: 'erasure.advance',
  queue: 'erasures',
  payload: z.strictObject({ erasureId: z.uuid(), step: z.int().positive() }),
  options: { ...KEPT, attempts: 10, backoff: backoff(500) },
} as const;

/** A window: the parent, which runs when all its chunks have ended, and the chunks. */
export const windowOrder = ({ erasureId, step, jobId, delayMs, chunks }: Dispatch): Order => ({
  what: 'window',
  ids: { erasureId, step },
  // One transaction of Redis: all of them or none.
  add: ({ flow }) =>
    flow.add({
      ...withId(jobOf(contract, { erasureId, step }), { jobId, delayMs }),
      children: chunks.map(({ id: chunkId, jobId, priority, delayMs, location, pass, range, rows }) => {
        const child = withId(jobOf(chunkErase, { erasureId, chunkId, location, pass, range, rows }), {
          jobId,
          delayMs,
        });
        return { ...child, opts: { ...child.opts, priority } };
      }),
    }),
});

const withId = (job: ReturnType<typeof jobOf>, { jobId, delayMs }: { jobId: string; delayMs: number }) => ({
  ...job,
  opts: { ...job.opts, jobId, ...(delayMs > 0 ? { delay: delayMs } : {}) },
});

/** One step of an erasure: decides from the ledger what comes next, and sends it out. */
export const erasureAdvance = defineJob({
  ...contract,
  entry: { as: 'dispatch', order: windowOrder },
  due: {
    counted: 'dispatched',
    find: ({ ctx, put, isLive }) => dispatchLost(ctx, { isLive, enqueue: (d) => put(windowOrder(d)) }),
  },
  quiet: ['contended'],
  failed: () => {},

  run: async ({ ctx, put, showProgress }, { erasureId, step }) => {
    const next = await advanceErasure(ctx, erasureId, step);
    if (next.kind === 'dispatch') await put(windowOrder(next.dispatch));
    if (next.kind === 'completed') {
      ctx.log.info({ erasureId }, 'erasure completed');
      for (const mail of await orderOpenMails(ctx, erasureId)) await put(mail);
      for (const order of await orderAcknowledgements(ctx, erasureId)) await put(order);
    }
    if (next.kind === 'stalled')
      ctx.log.error(
        { erasureId, code: next.error.code, detail: next.error.detail },
        'erasure stalled: an operator is needed',
      );
    await showProgress(erasureId, true);
    return { outcome: next.kind };
  },
});
