import { paceOrOwn, readPace } from '../../pace/current-pace.ts';
import { allowanceOf } from '../../pace/pace.ts';
import type { Context } from '../model/context.ts';
import type { Erasure } from '../model/states.ts';
import { finishErasure } from './finish.ts';

/** Rows per location that the last transaction may take at least and at most, whatever the pace allows a slice. */
const LEAST_AT_ONCE = 500;
const MOST_AT_ONCE = 5_000;

/** Rows per location that the last transaction may delete itself: about as many as one slice. */
export async function rowsAtOnce(ctx: Context): Promise<number> {
  const { pace, step } = paceOrOwn(ctx, await readPace(ctx.db));
  const { rows } = allowanceOf(pace, step, ctx.settings);
  return Math.max(LEAST_AT_ONCE, Math.min(MOST_AT_ONCE, ctx.settings.chunkRows, rows));
}

/**
 * Erases an account that is no larger than a slice with the last transaction alone. A plan, two windows and their jobs
 * cost more than its rows. Null: nothing has changed, and it is planned.
 */
export async function eraseAtOnce(ctx: Context, running: Erasure): Promise<'completed' | 'awaiting' | null> {
  const limits = { rows: await rowsAtOnce(ctx), ms: ctx.settings.lockBudgetMs, untouched: true };
  const outcome = await finishErasure(ctx, running, limits);
  return outcome === 'completed' || outcome === 'awaiting' ? outcome : null;
}
