import { and, lte, type SQL, sql } from 'drizzle-orm';
import { erasure } from '../../store/schema.ts';
import type { Context } from '../model/context.ts';
import { type Dispatch, dispatchWindow } from '../model/dispatch.ts';
import { eachErasure } from '../model/each-erasure.ts';
import { asks, deletesSessions, isRunning } from '../model/states.ts';

/** A dispatch is committed before its jobs are added: younger ones may still be on their way. */
const GRACE = sql`now() - interval '10 seconds'`;

/**
 * Dispatches again the steps whose job Redis does not have: the parent is gone, has failed, or waits for chunks that no longer
 * exist. `isLive` tells whether a parent job will run by itself. Returns how many they were.
 */
export async function dispatchLost(
  ctx: Context,
  queues: { isLive: (jobId: string) => Promise<boolean>; enqueue: (dispatch: Dispatch) => Promise<unknown> },
): Promise<number> {
  const lost = (steps: SQL) =>
    eachErasure(
      ctx,
      {
        where: and(steps, lte(erasure.dispatchedAt, GRACE)) as SQL,
        what: 'dispatch',
        skip: async ({ jobId }) => jobId !== null && (await queues.isLive(jobId)),
      },
      async (running) => {
        const dispatch = await dispatchWindow(ctx, running);
        if (!dispatch) return null;
        await queues.enqueue(dispatch);
        ctx.log.warn({ erasureId: running.id, step: dispatch.step }, 'job was missing in Redis; dispatched again');
        return dispatch;
      },
    );
  // One after the other: each has a partial index of its own.
  return (await lost(deletesSessions())) + (await lost(isRunning())) + (await lost(asks()));
}
