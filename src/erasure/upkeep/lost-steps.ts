import { and, asc, gt, inArray, lte, type SQL, sql } from 'drizzle-orm';
import { erasure, notification } from '../../store/schema.ts';
import type { Context } from '../model/context.ts';
import { type Dispatch, dispatchWindow } from '../model/dispatch.ts';
import { NIL, orLogged } from '../model/or-logged.ts';
import { isRunning, signsOut } from '../model/states.ts';
import { takeSignOuts } from '../revoke/revoke-tokens.ts';
import { startDue } from './sweep.ts';

/** What reconcile asks of the queues. */
export type Queues = {
  /** True when the parent job waits, runs or waits for children of which one exists. */
  isLive: (jobId: string) => Promise<boolean>;
  enqueue: (dispatch: Dispatch) => Promise<void>;
  /** False when the job is not known to have reached Redis. */
  enqueueMail: (notificationId: string) => Promise<boolean>;
  enqueueSignOut: (erasureId: string) => Promise<boolean>;
};

const PAGE = 200;
/** A dispatch is committed before its jobs are added: younger ones may still be on their way. */
const GRACE = sql`now() - interval '10 seconds'`;
/** The sweep starts what is due; a tick that Redis lost is made up for after this time. */
const MISSED_SWEEP_MS = 60_000;

/**
 * Compares Postgres with Redis and creates again what is missing there: parents that are gone, failed,
 * or wait for children that no longer exist; mails without a job; erasures whose sweep was lost.
 */
export async function reconcile(ctx: Context, queues: Queues): Promise<Record<string, number>> {
  const started = await startDue(ctx, queues.enqueue, MISSED_SWEEP_MS);
  let dispatched = 0;
  for (const steps of [signsOut(), isRunning()]) dispatched += await dispatchLost(ctx, queues, steps);
  // Moved on while they are taken: otherwise every round of every worker would add another job.
  const mails = await ctx.db.execute<{ id: string }>(sql`
    UPDATE lethe.notification SET next_at = now() + interval '1 minute'
     WHERE id IN (SELECT id FROM lethe.notification WHERE state = 'pending' AND next_at <= now()
                   ORDER BY next_at LIMIT ${PAGE} FOR UPDATE SKIP LOCKED)
    RETURNING id`);
  const ids = mails.map(({ id }) => id);
  while (ids[0] && (await queues.enqueueMail(ids[0]))) ids.shift();
  // Without Redis the others would not reach it either. What an attempt has put off meanwhile stays so.
  if (ids.length > 0)
    await ctx.db
      .update(notification)
      .set({ nextAt: sql`now()` })
      .where(and(inArray(notification.id, ids), lte(notification.nextAt, sql`now() + interval '1 minute'`)));
  const signOuts = await takeSignOuts(ctx);
  // Each that cannot be added takes its time; they come again in a minute.
  for (const id of signOuts) if (!(await queues.enqueueSignOut(id))) break;
  return { started, dispatched, mails: mails.length - ids.length, signOuts: signOuts.length };
}

/** Dispatches again what has lost its job, of the erasures whose steps go on. */
async function dispatchLost(ctx: Context, queues: Queues, steps: SQL): Promise<number> {
  let dispatched = 0;
  for (let after = NIL; ; ) {
    const page: { id: string; step: number; jobId: string | null }[] = await ctx.db
      .select({ id: erasure.id, step: erasure.step, jobId: erasure.jobId })
      .from(erasure)
      .where(and(steps, lte(erasure.dispatchedAt, GRACE), gt(erasure.id, after)))
      .orderBy(asc(erasure.id))
      .limit(PAGE);
    for (const running of page) {
      if (running.jobId && (await queues.isLive(running.jobId))) continue;
      const dispatch = await orLogged(ctx, running.id, 'dispatch', () => dispatchWindow(ctx, running));
      if (!dispatch) continue;
      dispatched += 1;
      await queues.enqueue(dispatch);
      ctx.log.warn({ erasureId: running.id, step: dispatch.step }, 'job was missing in Redis; dispatched again');
    }
    if (page.length < PAGE) return dispatched;
    after = page.at(-1)?.id as string;
  }
}
