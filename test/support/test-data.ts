import { beginCycle, findCycle, findLiveCycle, listCycles } from '../../src/canary/cycles.ts';
import type { Ask, CanaryWork, Cycle, Finding } from '../../src/canary/model.ts';
import { moveCycle } from '../../src/canary/move.ts';
import { requestErasure } from '../../src/erasure/accept/request.ts';
import { eraseNow, startErasure } from '../../src/erasure/accept/start.ts';
import type { Context } from '../../src/erasure/model/context.ts';
import { parseKey } from '../../src/keys/parse.ts';
import type { Sender } from '../../src/locations/asked.ts';
import { until } from './until.ts';
import { READER_CATALOG, type World } from './world.ts';

export const PLANT = [
  "INSERT INTO accounts (email) VALUES ($marker || '@example.com') RETURNING id",
  'INSERT INTO sessions (account_id) VALUES ($account), ($account)',
  'INSERT INTO feeds (account_id, title) VALUES ($account, $marker)',
  `INSERT INTO posts (account_id, feed_id, title, body)
   SELECT $account, f.id, $marker, 'test' FROM feeds f, generate_series(1, 3) WHERE f.account_id = $account::bigint`,
];
export const PLANTED = { sessions: 2, feeds: 1, posts: 3 };

/** The reader's catalog with test data. */
export const canaryCatalog = (plant: readonly string[] = PLANT, more = 'every: 1h, wait: 1s, within: 10s') =>
  `${READER_CATALOG}canary: { owner: privacy, ${more}, key: "env:CANARY_KEY", plant: ${JSON.stringify(plant)} }\n`;

/** Asks the domain itself, in the place of the API. */
export const askDomain =
  (ctx: Context): Ask =>
  async (accountKey) => {
    const request = {
      accountKey: parseKey(ctx.catalog.account.key, accountKey),
      requestedBy: 'key:canary',
    };
    try {
      const { erasure } = await requestErasure(ctx, request, { eraseSmall: true });
      if (erasure.state === 'scheduled') await startErasure(ctx, erasure.id);
      if (erasure.state === 'running') await eraseNow(ctx, erasure);
      return { kind: 'accepted', erasureId: erasure.id };
    } catch (error) {
      return { kind: 'refused', words: `the API answered ${(error as Error).message}` };
    }
  };

/** What cycles are moved with, in this process: nothing waits, and there are `within` milliseconds. */
export function canaryWork(ctx: Context, change: Partial<CanaryWork> = {}, within = 2_000): CanaryWork {
  const declared = ctx.declared.canary;
  if (!declared) throw new Error('the catalog has no canary');
  return {
    ctx,
    declared: { ...declared, wait: 0, within },
    planter: ctx.db,
    senderOf: () => ({}) as Sender,
    ask: askDomain(ctx),
    signal: new AbortController().signal,
    ...change,
  };
}

/** Begins a cycle, whenever the last one was. */
export async function begin(work: CanaryWork): Promise<string> {
  const id = await beginCycle(work.ctx.db, 0);
  if (!id) throw new Error('a cycle is under way');
  return id;
}

/** Moves the live cycle, else the newest, until `done` says so, as the duty would: pauses are left out. */
export async function moveUntil(work: CanaryWork, world: World, done: (cycle: Cycle) => boolean): Promise<Cycle> {
  const [newest] = await listCycles(work.ctx.db, 1);
  // Its time of creation may have been changed.
  const id = ((await findLiveCycle(work.ctx.db)) ?? newest)?.id as string;
  return until('the cycle has come there', async () => {
    const cycle = await findCycle(work.ctx.db, id);
    if (!cycle) throw new Error('the cycle is gone');
    if (done(cycle)) return cycle;
    if (cycle.finishedAt) throw new Error(`it came to its end: ${JSON.stringify(cycle.findings)}`);
    await moveCycle(work, cycle);
    await world.sql`UPDATE lethe.canary SET next_at = now() WHERE id = ${id} AND next_at IS NOT NULL`;
    return false;
  });
}

/** One whole cycle. Returns it as it ended. */
export async function wholeCycle(work: CanaryWork, world: World): Promise<Cycle> {
  await begin(work);
  return moveUntil(work, world, (cycle) => cycle.finishedAt !== null);
}

/** The findings of a cycle, a line each, in order. */
export const found = ({ findings }: Pick<Cycle, 'findings'>): string[] =>
  (findings ?? []).map(({ location, words }: Finding) => `${location}: ${words}`).sort();
