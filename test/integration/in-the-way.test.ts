import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findErasure } from '../../src/erasure/model/states.ts';
import { advanceErasure } from '../../src/erasure/steps/advance.ts';
import { eraseChunk } from '../../src/erasure/steps/erase-chunk.ts';
import { SliceSize } from '../../src/pace/slice-size.ts';
import type { Resources } from '../../src/resources.ts';
import { checksum, expectErased, ledger, rowsOf } from '../support/evidence.ts';
import { begin, run, step } from '../support/run-by-hand.ts';
import { subject } from '../support/subject.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
let domain: Resources;

beforeAll(async () => {
  world = await createWorld({ env: { LETHE_CHUNK_ROWS: '500' } });
  domain = await world.domain();
});
afterAll(() => world.close());

/** An erasure of a thousand posts that has begun. */
async function begun() {
  const s = await subject(world.sql);
  return { ...s, id: await begin(domain.ctx, s.account) };
}

/** Runs steps until all rows of a location are gone. */
async function until({ id, account }: { id: string; account: string }, location: 'posts' | 'feeds'): Promise<void> {
  for (let steps = 0; (await rowsOf(world.sql, account))[location] !== 0; steps++) {
    expect(steps).toBeLessThan(10);
    await step(domain.ctx, id);
  }
}

/** The next step; its chunks are left to the test. */
async function advance(id: string) {
  const next = await advanceErasure(domain.ctx, id, (await findErasure(domain.ctx.db, id))?.step ?? -1);
  return { next, chunks: next.kind === 'dispatch' ? next.dispatch.chunks : [] };
}

const hooks = { proceed: () => true, onSlice: () => {} };
const erase = (chunkId: number, size = new SliceSize(200)) => eraseChunk(domain.ctx, chunkId, size, hooks);

describe('rows that must not go', () => {
  it('a row of another account below a parent is an error that names it, and both stay', async () => {
    const erasure = await begun();
    await until(erasure, 'posts');
    const [theirs] = await world.sql`INSERT INTO posts (account_id, feed_id, title, body)
      SELECT ${erasure.bystander}, min(id), 'theirs', '' FROM feeds WHERE account_id = ${erasure.account} RETURNING id::text`;
    const sum = await checksum(world.sql, erasure.bystander);
    const { chunks } = await advance(erasure.id);
    const outcomes = await Promise.allSettled(chunks.map((c) => erase(c.id)));
    expect(outcomes.filter((o) => o.status === 'rejected')).toMatchObject([
      { reason: { code: 'foreign_reference', extra: { referencing: 'posts', keys: [[theirs?.id]] } } },
    ]);
    expect(await checksum(world.sql, erasure.bystander)).toBe(sum);
    expect((await rowsOf(world.sql, erasure.account)).feeds).toBeGreaterThan(0);
  });

  it('a row that the application holds is left where it was in the way, the others go, and nothing is lost', async () => {
    const erasure = await begun();
    const [chunk] = (await advance(erasure.id)).chunks;
    const size = new SliceSize(200);
    size.giveWay('posts');
    await world.sql.begin(async (tx) => {
      await tx`SELECT 1 FROM posts WHERE id = (SELECT id FROM posts WHERE account_id = ${erasure.account}
        ORDER BY id OFFSET 7 LIMIT 1) FOR UPDATE`;
      expect(await erase(chunk?.id as number, size)).toBe('finished');
    });
    expect((await rowsOf(world.sql, erasure.account)).posts).toBe(501);
    expect(await ledger(world.sql, erasure.id)).toMatchObject({ posts: 499 });
    expect((await run(domain.ctx, erasure.id)).kind).toBe('completed');
    await expectErased(world.sql, erasure.account, erasure.id, erasure.before);
  });

  it('a slice that has rows already gives way for want of a lock, long before its own time is over', async () => {
    const erasure = await begun();
    const [chunk] = (await advance(erasure.id)).chunks;
    const gaveWay: unknown[] = [];
    const log = Object.assign(Object.create(domain.ctx.log), { debug: (fields: object) => gaveWay.push(fields) });
    await world.sql.begin(async (tx) => {
      await tx`SELECT 1 FROM posts WHERE id = (SELECT id FROM posts WHERE account_id = ${erasure.account}
        ORDER BY id OFFSET 7 LIMIT 1) FOR UPDATE`;
      await eraseChunk({ ...domain.ctx, log }, chunk?.id as number, new SliceSize(200), hooks);
    });
    expect(gaveWay[0]).toMatchObject({ location: 'posts', code: expect.stringContaining('55P03') });
    expect((await run(domain.ctx, erasure.id)).kind).toBe('completed');
    await expectErased(world.sql, erasure.account, erasure.id, erasure.before);
  });
});

describe('an erasure that gets nowhere stalls', () => {
  it('when its account is still written after five passes', async () => {
    const erasure = await begun();
    await until(erasure, 'feeds');
    await world.sql`INSERT INTO feeds (account_id, title) VALUES (${erasure.account}, 'late')`;
    await world.sql`INSERT INTO posts (account_id, feed_id, title, body)
      SELECT ${erasure.account}, id, 'late', '' FROM feeds, generate_series(1, 2000) WHERE account_id = ${erasure.account}`;
    await world.sql`UPDATE lethe.erasure SET passes = 5 WHERE id = ${erasure.id}`;
    expect((await advance(erasure.id)).next).toMatchObject({ kind: 'stalled', error: { code: 'still_written' } });
    expect(await rowsOf(world.sql, erasure.account)).toMatchObject({ posts: 2000, accounts: 1 });
  });

  it('when a chunk was sent out twenty times without progress', async () => {
    const erasure = await begun();
    const [chunk] = (await advance(erasure.id)).chunks;
    await world.sql`UPDATE lethe.chunk SET dispatches = 20 WHERE id = ${chunk?.id as number}`;
    expect((await advance(erasure.id)).next).toMatchObject({ kind: 'stalled', error: { code: 'chunk_exhausted' } });
  });
});
