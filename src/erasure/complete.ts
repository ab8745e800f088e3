import { and, eq, ne, sql } from 'drizzle-orm';
import type { Transaction } from '../db/client.ts';
import { task } from '../db/schema.ts';
import { pipeline } from '../db/transaction.ts';
import { insertNotification } from '../mail/insert-notification.ts';
import type { Context } from './context.ts';
import { Rollback } from './finish-outcome.ts';
import { OUTSIDE, recordOutside } from './ledger.ts';
import { type Erasure, transition } from './states.ts';

/** The evidence of the last transaction: what it deleted (`gone`, by location), the tasks done, the state, the mail to send, which gets the id `mail`. */
export async function complete(
  tx: Transaction,
  ctx: Context,
  running: Pick<Erasure, 'id' | 'email' | 'completedAt' | 'probeAt'>,
  gone: ReadonlyMap<string, number>,
  mail?: string,
): Promise<Erasure> {
  const finishTasks = async () => {
    await tx
      .update(task)
      .set({ state: 'done', lastError: null, startedAt: sql`coalesce(started_at, now())`, finishedAt: sql`now()` })
      .where(and(eq(task.erasureId, running.id), ne(task.state, 'done')));
  };
  const unguarded = ctx.catalog.locations.some((l) => !l.guarded);
  const finish = () =>
    transition(
      tx,
      running.id,
      'running',
      'completed',
      {
        completedAt: sql`now()`,
        retryAt: null,
        // Only the first completion asks for probes: each is an hour, then a day after it.
        probeAt: unguarded && !running.completedAt ? sql`now() + interval '1 hour'` : running.probeAt,
      },
      { before: [{ type: 'account.erased', data: { catalog: ctx.catalog.digest } }] },
    );
  const [, , done] = await pipeline([
    () => recordOutside(tx, running.id, gone, OUTSIDE),
    finishTasks,
    finish,
    async () => (running.email ? insertNotification(tx, running.id, 'completed', mail) : undefined),
  ]);
  if (!done) throw new Rollback('superseded');
  return done;
}
