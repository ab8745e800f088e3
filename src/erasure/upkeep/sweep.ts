import { and, eq, isNull, lte, type SQL, sql } from 'drizzle-orm';
import { duty, erasure } from '../../store/schema.ts';
import { BY_SWEEP, replayErasure } from '../accept/replay.ts';
import { isDue, startErasure } from '../accept/start.ts';
import type { Context } from '../model/context.ts';
import type { Dispatch } from '../model/dispatch.ts';
import { eachErasure } from '../model/each-erasure.ts';
import { releaseLifted } from '../model/hold.ts';
import { probeLate } from './probe-late.ts';
import { scrubExpired } from './scrub.ts';

/**
 * Erasures that one sweep starts at the same time. In a line, each waiting for its commits, they would start no faster
 * than small ones are erased.
 */
const AT_ONCE = 4;

type Enqueue = (dispatch: Dispatch) => Promise<unknown>;

/**
 * Starts what is due, in any number of processes at once: each start is a conditional update. Asks
 * the database what is due, never the clock what happened this hour, so that a missed tick costs only time.
 * `overdueMs`: only what has been due for so long. Returns how many were started.
 */
export function startDue(ctx: Context, enqueue: Enqueue, overdueMs = 0): Promise<number> {
  const overdue = lte(erasure.startsAt, sql`now() - ${overdueMs} * interval '1 millisecond'`);
  return eachErasure(
    ctx,
    { where: and(eq(erasure.state, 'scheduled'), isDue, overdue) as SQL, what: 'start', atOnce: AT_ONCE },
    async ({ id }) => passOn(enqueue, await startErasure(ctx, id, isDue)),
  );
}

/** Replays what has stalled and waited for its time. Returns how many. */
function retryStalled(ctx: Context, enqueue: Enqueue): Promise<number> {
  const isRetried = lte(erasure.retryAt, sql`now()`);
  return eachErasure(
    ctx,
    { where: and(eq(erasure.state, 'stalled'), isRetried, isNull(erasure.heldAt)) as SQL, what: 'retry' },
    async ({ id }) => passOn(enqueue, await replayErasure(ctx, id, BY_SWEEP, isRetried)),
  );
}

async function passOn(enqueue: Enqueue, dispatch: Dispatch | null): Promise<Dispatch | null> {
  if (dispatch) await enqueue(dispatch);
  return dispatch;
}

/**
 * The hourly sweep. It releases what the application holds no longer, starts what is due, retries what has stalled, and
 * probes and scrubs what is finished. Returns how many of each.
 */
export async function sweep(ctx: Context, enqueue: Enqueue): Promise<Record<string, number>> {
  // First: what is released now may be due now.
  const released = await releaseLifted(ctx);
  for (const dispatch of released) await enqueue(dispatch);
  const started = await startDue(ctx, enqueue);
  const retried = await retryStalled(ctx, enqueue);
  const reopened = await probeLate(ctx);
  for (const dispatch of reopened) await enqueue(dispatch);
  const scrubbed = await scrubExpired(ctx);
  await ctx.db
    .insert(duty)
    .values({ name: 'sweep', doneAt: sql`now()` })
    .onConflictDoUpdate({ target: duty.name, set: { doneAt: sql`now()` } });
  return { released: released.length, started, retried, reopened: reopened.length, ...scrubbed };
}
