import { requestErasure } from '../../src/erasure/accept/request.ts';
import { startErasure } from '../../src/erasure/accept/start.ts';
import type { Context } from '../../src/erasure/model/context.ts';
import { findErasure } from '../../src/erasure/model/states.ts';
import { advanceErasure, type Next } from '../../src/erasure/steps/advance.ts';
import { eraseChunk } from '../../src/erasure/steps/erase-chunk.ts';
import { SliceSize } from '../../src/pace/slice-size.ts';

/** Accepts an erasure; a small one is left as the accepting transaction leaves it. */
export async function request(ctx: Context, account: string): Promise<string> {
  return (await requestErasure(ctx, { accountKey: [account], requestedBy: 'test' })).erasure.id;
}

/** Accepts and starts a large account's erasure. */
export async function begin(ctx: Context, account: string): Promise<string> {
  const id = await request(ctx, account);
  await startErasure(ctx, id);
  return id;
}

/** Does what one parent job and its children would do. */
export async function step(ctx: Context, id: string): Promise<Next> {
  const running = await findErasure(ctx.db, id);
  const next = await advanceErasure(ctx, id, running?.step ?? -1);
  for (const chunk of next.kind === 'dispatch' ? next.dispatch.chunks : []) {
    await eraseChunk(ctx, chunk.id, new SliceSize(200), { proceed: () => true, onSlice: () => {} });
  }
  return next;
}

/** Steps until something other than another window comes out. */
export async function run(ctx: Context, id: string, most = 40): Promise<Next> {
  for (let i = 0; i < most; i++) {
    const next = await step(ctx, id);
    if (next.kind !== 'dispatch') return next;
  }
  throw new Error(`no end after ${most} steps`);
}
