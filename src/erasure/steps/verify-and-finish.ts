import { eq } from 'drizzle-orm';
import { LetheError } from '../../errors.ts';
import type { KeyValue } from '../../keys/types.ts';
import type { StubbornWork } from '../../locations/kind.ts';
import { insideKind } from '../../locations/kinds/ask.ts';
import { PROBING } from '../../store/limits.ts';
import { erasure } from '../../store/schema.ts';
import { transaction } from '../../store/transaction.ts';
import { recordGathered } from '../calls/gather.ts';
import type { Context } from '../model/context.ts';
import { type Dispatch, dispatchWindow } from '../model/dispatch.ts';
import { holdForApplication } from '../model/hold.ts';
import { OUTSIDE, recordOutside } from '../model/ledger.ts';
import { hasNewerAccount } from '../model/newer-account.ts';
import type { Erasure } from '../model/states.ts';
import { recordThroughput } from '../model/throughput.ts';
import { rowsAtOnce } from './erase-at-once.ts';
import { claimStep, finishErasure } from './finish.ts';
import { startPass } from './next-window.ts';

/** How an erasure without open chunks ended, or the next step. Null: somebody else goes on. */
export type Finished = 'completed' | 'awaiting' | 'held' | { dispatch: Dispatch } | null;

/** Finishing tries, with growing pauses, before a lock on the account counts as stuck. */
const MAX_FINISH_ATTEMPTS = 40;
/** The last transaction walks the dead index entries of all that was deleted: some time, and more for more rows. */
const finishMs = (rowsPlanned: number) => 5_000 + rowsPlanned / 100;

/**
 * Looks whether locations have filled up again: those get another pass. Otherwise tries the last transaction, and pauses
 * before the next attempt where the application has locked something. Throws `account_locked` when it was always so.
 */
export async function verifyAndFinish(
  ctx: Context,
  running: Erasure,
  account: KeyValue,
  rowsPlanned: number,
): Promise<Finished> {
  const limit = await rowsAtOnce(ctx);
  const { inside } = insideKind(ctx.kinds);
  const counts = await transaction(ctx.db, PROBING, (tx) => inside.countUpTo(tx, ctx, account, limit));
  const left = [...counts].filter(([, rows]) => rows >= limit).map(([name]) => name);
  if (left.length > 0) return orNull(await startPass(ctx, running, left));
  const started = performance.now();
  const outcome = await finishErasure(ctx, running, { rows: limit, ms: finishMs(rowsPlanned) });
  if (outcome === 'completed' || outcome === 'awaiting') {
    await recordThroughput(ctx.db, ctx.catalog.account.table, rowsPlanned, performance.now() - started).catch(
      // The erasure is completed, whatever becomes of a measurement.
      (error: Error) => ctx.log.debug({ code: error.name }, 'speed not recorded'),
    );
    return outcome;
  }
  if (outcome === 'held') return (await holdForApplication(ctx, running)) ? 'held' : null;
  if (outcome === 'superseded') return null;
  const attempts = running.finishAttempts + 1;
  if (attempts >= MAX_FINISH_ATTEMPTS) {
    throw new LetheError(
      'account_locked',
      `the account or rows of it were locked or written in ${attempts} attempts to finish`,
    );
  }
  if (outcome === 'locked' && attempts > 1) await inside.eraseStubborn(ctx, account, stubbornWork(ctx, running));
  await ctx.db.update(erasure).set({ finishAttempts: attempts }).where(eq(erasure.id, running.id));
  return orNull(await dispatchWindow(ctx, running, [], { delayMs: finishPause(attempts) }));
}

/** What a kind may ask of the erasure while it waits for locked rows. */
export const stubbornWork = (ctx: Context, running: Erasure): StubbornWork => ({
  claim: (tx) => claimStep(tx, running),
  isNewer: (tx) => hasNewerAccount(tx, ctx.catalog.account, running),
  record: async (tx, rows) => {
    await recordOutside(tx, running.id, rows, OUTSIDE);
    await recordGathered(tx, ctx, running.id);
  },
});

/** Pause before the next attempt to finish: doubling to ten seconds, with jitter so that two never meet in step. */
const finishPause = (attempts: number) => Math.round(Math.min(10_000, 50 * 2 ** attempts) * (0.5 + Math.random() / 2));

const orNull = (dispatch: Dispatch | null) => dispatch && { dispatch };
