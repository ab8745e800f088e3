import { findErasure } from '../../src/erasure/model/states.ts';
import { advanceErasure, type Next } from '../../src/erasure/steps/advance.ts';
import { type ChunkOutcome, eraseChunk } from '../../src/erasure/steps/erase-chunk.ts';
import { SliceSize } from '../../src/pace/slice-size.ts';
import { begin } from '../support/run-by-hand.ts';
import type { Place, Rows } from './subject.ts';

/** Rows of an account in each location: three chunks, and more than the last transaction takes. */
export const ROWS = 600;
/** Rows of a slice. */
const SLICE = 100;

/** Slices of a fixed size, so that a chunk has several. */
export class SmallSlices extends SliceSize {
  constructor() {
    super(200);
  }
  override for(location: string, most?: number): number {
    return Math.min(SLICE, super.for(location, most));
  }
}

let made = 0;
/** A new account without anything. */
export async function makeAccount({ sql }: Pick<Place, 'sql'>): Promise<string> {
  const email = `kind-${process.pid}-${++made}@example.com`;
  const [row] = await sql<{ id: string }[]>`INSERT INTO accounts (email) VALUES (${email}) RETURNING id::text`;
  return row?.id as string;
}

/** An account with data, and a bystander with as much. */
export async function makePair(place: Place): Promise<{ account: string; bystander: string; before: Rows }> {
  const [account, bystander] = [await makeAccount(place), await makeAccount(place)];
  await place.subject.add(place.sql, [account, bystander], ROWS);
  return { account, bystander, before: await place.subject.count(place.sql, account) };
}

export const start = ({ ctx }: Pick<Place, 'ctx'>, account: string): Promise<string> => begin(ctx, account);

/** Does one chunk's job. `slices`: it is told to stop after so many. */
export function runChunk({ ctx }: Pick<Place, 'ctx'>, chunkId: number, slices = 1_000): Promise<ChunkOutcome> {
  let done = 0;
  return eraseChunk(ctx, chunkId, new SmallSlices(), { proceed: () => done++ < slices, onSlice: () => {} });
}

export async function advance({ ctx }: Pick<Place, 'ctx'>, id: string): Promise<Next> {
  const { step } = (await findErasure(ctx.db, id)) ?? {};
  return advanceErasure(ctx, id, step ?? -1);
}

/** Goes on until chunks of the subject's location are out. Their jobs are the caller's. */
export async function untilOut(place: Place, id: string): Promise<number[]> {
  for (let steps = 0; steps < 30; steps++) {
    const next = await advance(place, id);
    if (next.kind !== 'dispatch') throw new Error(`no chunks of ${place.subject.location}, but ${next.kind}`);
    const { chunks } = next.dispatch;
    for (const other of chunks.filter((c) => c.location !== place.subject.location)) await runChunk(place, other.id);
    const ours = chunks.filter((c) => c.location === place.subject.location).map((c) => c.id);
    if (ours.length > 0) return ours;
  }
  throw new Error(`no chunks of ${place.subject.location} after 30 steps`);
}

/** Goes on until something other than another window comes out. Chunks that fail are in the ledger. */
export async function goOn(place: Pick<Place, 'ctx'>, id: string): Promise<Next['kind']> {
  for (let steps = 0; steps < 100; steps++) {
    const next = await advance(place, id);
    if (next.kind !== 'dispatch') return next.kind;
    for (const chunk of next.dispatch.chunks) await runChunk(place, chunk.id).catch(() => {});
  }
  throw new Error('no end after 100 steps');
}

/** Goes on to the end. A late answer comes `times` times. */
export async function finish(place: Place, id: string, times = 1): Promise<Next['kind']> {
  for (let rounds = 0; rounds < 10; rounds++) {
    const ended = await goOn(place, id);
    if (ended !== 'awaiting' || !place.subject.answer) return ended;
    for (let n = 0; n < times; n++) await place.subject.answer(place.ctx, id);
  }
  throw new Error('still awaiting after 10 answers');
}

/** Erases an account from the request to the end. */
export async function erase(place: Place, account: string): Promise<{ id: string; ended: Next['kind'] }> {
  const id = await start(place, account);
  return { id, ended: await finish(place, id) };
}
