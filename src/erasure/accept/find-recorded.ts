import { canonical } from '../../keys/canonical.ts';
import type { Context } from '../model/context.ts';
import { isOfEarlierAccount } from '../model/newer-account.ts';
import { type Erasure, findLive } from '../model/states.ts';
import type { Request } from './accept.ts';
import { linkOf } from './idempotency.ts';

/**
 * The live erasure that somebody else has recorded for this account, without waiting for its row; null: there is none.
 * It answers a request that could not get the row: others ask at the same time, or the application has locked it.
 */
export async function findRecorded(ctx: Context, { accountKey, idempotencyKeyHash }: Request): Promise<Erasure | null> {
  const live = await findLive(ctx.db, canonical(ctx.catalog.account.key, accountKey));
  if (!live || (await isOfEarlierAccount(ctx, live))) return null;
  if (idempotencyKeyHash) await ctx.db.execute(linkOf(idempotencyKeyHash, live.id));
  return live;
}
