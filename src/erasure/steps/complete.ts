import { sql } from 'drizzle-orm';
import type { Catalog } from '../../catalog/live/types.ts';
import type { Happened } from '../../events/append.ts';
import { insertNotification } from '../../mail/insert-notification.ts';
import type { Transaction } from '../../store/client.ts';
import { task } from '../../store/schema.ts';
import { pipeline } from '../../store/transaction.ts';
import type { Context } from '../model/context.ts';
import { OUTSIDE, recordOutside } from '../model/ledger.ts';
import { type Erasure, transition } from '../model/states.ts';
import { Rollback } from './finish-outcome.ts';

/** What the first completion changes, and what happened just before it. */
export const firstCompletion = (catalog: Catalog) => ({
  change: {
    completedAt: sql`now()`,
    // Only the first one asks for probes: each is an hour, then a day after it.
    probeAt: catalog.locations.some((l) => !l.guarded) ? sql`now() + interval '1 hour'` : null,
  },
  before: [{ type: 'account.erased', data: { catalog: catalog.digest } }] satisfies Happened[],
});

/** The evidence of the last transaction: what it deleted (`gone`, by location), the tasks done, the state, the mail to send. */
export async function complete(
  tx: Transaction,
  ctx: Context,
  running: Pick<Erasure, 'id' | 'email' | 'completedAt' | 'probeAt'>,
  gone: ReadonlyMap<string, number>,
): Promise<Erasure> {
  const finishTasks = async () => {
    await tx.execute(sql`
      UPDATE ${task} SET state = 'done', last_error = NULL, started_at = coalesce(started_at, now()), finished_at = now()
       WHERE erasure_id = ${running.id} AND state <> 'done'`);
  };
  const { change, before } = firstCompletion(ctx.catalog);
  const again = running.completedAt ? { probeAt: running.probeAt } : {};
  const finish = () =>
    transition(tx, running.id, 'running', 'completed', { ...change, retryAt: null, ...again }, { before });
  const [, , done] = await pipeline([
    () => recordOutside(tx, running.id, gone, OUTSIDE),
    finishTasks,
    finish,
    async () => (running.email ? insertNotification(tx, running.id, 'completed') : undefined),
  ]);
  if (!done) throw new Rollback('superseded');
  return done;
}
