import { LetheError } from '../../errors.ts';
import type { Context } from '../model/context.ts';
import type { Dispatch } from '../model/dispatch.ts';
import type { Erasure } from '../model/states.ts';
import { replayErasure } from './replay.ts';
import { replayPartners } from './replay-partners.ts';
import { notHeld } from './start.ts';

/** True for an erasure whose account is gone: a replay asks its partners again. */
export const isOfPartners = ({ state }: Pick<Erasure, 'state'>): boolean =>
  state === 'awaiting' || state === 'completed';

/** For an erasure that is in no state to be replayed. */
export const notReplayable = ({ state }: Pick<Erasure, 'state'>): LetheError =>
  new LetheError(
    'not_replayable',
    `the erasure is ${state}; only a stalled one is replayed, or one whose account is gone`,
  );

/**
 * Replays one erasure as it is now: unfinished work of a stalled one, or its partners. Returns what to enqueue; null where
 * waiting calls alone became due, or somebody was faster. Throws what `replayPartners` throws.
 */
export async function replayAsItIs(ctx: Context, seen: Erasure, by: string): Promise<Dispatch | null> {
  if (isOfPartners(seen)) return (await replayPartners(ctx, seen.id, by)).dispatch;
  return replayErasure(ctx, seen.id, by, notHeld);
}
