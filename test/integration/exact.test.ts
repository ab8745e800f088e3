import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requestErasure } from '../../src/erasure/accept/request.ts';
import { startErasure } from '../../src/erasure/accept/start.ts';
import { advanceErasure } from '../../src/erasure/steps/advance.ts';
import { eraseChunk } from '../../src/erasure/steps/erase-chunk.ts';
import { SliceSize } from '../../src/pace/slice-size.ts';
import type { Resources } from '../../src/resources.ts';
import { checksum, expectErased, ledger, rowsOf } from '../support/evidence.ts';
import { subject } from '../support/subject.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
let domain: Resources;

beforeAll(async () => {
  world = await createWorld({ env: { LETHE_CHUNK_ROWS: '500' } });
  domain = await world.domain();
});
afterAll(() => world.close());

const hooks = { proceed: () => true, onSlice: () => {} };
const erase = (chunkId: number) => eraseChunk(domain.ctx, chunkId, new SliceSize(200), hooks);

/** A started erasure whose jobs this test runs by hand. */
async function started(posts: number) {
  const s = await subject(world.sql, posts);
  const { erasure } = await requestErasure(domain.ctx, { accountKey: [s.account], requestedBy: 'test' });
  await startErasure(domain.ctx, erasure.id);
  let step = 1;
  return {
    ...s,
    id: erasure.id,
    /** Runs the parent of the current step. */
    advance: async () => {
      const next = await advanceErasure(domain.ctx, erasure.id, step);
      if (next.kind === 'dispatch') step = next.dispatch.step;
      return next;
    },
    step: () => step,
  };
}

/** Runs parents and chunks to the end; returns how many windows it took. */
async function runAll(run: Awaited<ReturnType<typeof started>>): Promise<number> {
  for (let windows = 1; windows < 50; windows++) {
    const next = await run.advance();
    if (next.kind !== 'dispatch') {
      expect(next.kind).toBe('completed');
      return windows;
    }
    for (const chunk of next.dispatch.chunks) await erase(chunk.id);
  }
  throw new Error('no end');
}

describe('the ledger', () => {
  it('plans each range once, above the last and up to the next, and covers every row', async () => {
    const run = await started(1234);
    await run.advance();
    const chunks = await world.sql`
      SELECT c.number::int, c.lower, c.upper, c.rows_planned::int AS rows FROM lethe.chunk c JOIN lethe.task t ON t.id = c.task_id
       WHERE t.erasure_id = ${run.id} AND t.location = 'posts' ORDER BY c.number`;
    expect(chunks.map((c) => [c.number, c.rows])).toEqual([
      [1, 500],
      [2, 500],
      [3, 234],
    ]);
    expect(chunks.map((c) => c.lower)).toEqual([null, chunks[0]?.upper, chunks[1]?.upper]);
    const [last] = await world.sql`SELECT max(id)::text AS id FROM posts WHERE account_id = ${run.account}`;
    expect(chunks.at(-1)?.upper).toEqual([last?.id]);
    await runAll(run);
    await expectErased(world.sql, run.account, run.id, run.before);
  });

  it('counts a chunk that is delivered twice, and at once, only once', async () => {
    const run = await started(1500);
    const next = await run.advance();
    const chunks = next.kind === 'dispatch' ? next.dispatch.chunks : [];
    expect(chunks.length).toBe(3);
    const outcomes = await Promise.all(chunks.flatMap((c) => [erase(c.id), erase(c.id), erase(c.id)]));
    expect(outcomes.filter((o) => o === 'finished').length).toBe(3);
    for (const c of chunks) expect(await erase(c.id)).toBe('gone');
    await runAll(run);
    await expectErased(world.sql, run.account, run.id, run.before);
    expect(await checksum(world.sql, run.bystander)).toBe(run.sum);
  });

  it('a chunk deletes its own range and nothing before or after it', async () => {
    const run = await started(1500);
    const next = await run.advance();
    const [, second] = next.kind === 'dispatch' ? next.dispatch.chunks : [];
    const keys = () => world.sql`SELECT id::text FROM posts WHERE account_id = ${run.account} ORDER BY id`;
    const before = (await keys()).map((r) => r.id);
    expect(await erase(second?.id as number)).toBe('finished');
    expect((await keys()).map((r) => r.id)).toEqual([...before.slice(0, 500), ...before.slice(1000)]);
    await runAll(run);
    await expectErased(world.sql, run.account, run.id, run.before);
  });

  it('leaves a row that moved to another account between planning and deleting', async () => {
    const run = await started(1000);
    const next = await run.advance();
    const [moved] = await world.sql`
      UPDATE posts SET account_id = ${run.bystander}, feed_id = (SELECT min(id) FROM feeds WHERE account_id = ${run.bystander})
       WHERE id = (SELECT id FROM posts WHERE account_id = ${run.account} ORDER BY id OFFSET 300 LIMIT 1) RETURNING id`;
    const sum = await checksum(world.sql, run.bystander);
    for (const c of next.kind === 'dispatch' ? next.dispatch.chunks : []) await erase(c.id);
    await runAll(run);
    expect(await checksum(world.sql, run.bystander)).toBe(sum);
    expect((await world.sql`SELECT account_id::text FROM posts WHERE id = ${moved?.id}`)[0]?.account_id).toBe(
      run.bystander,
    );
    expect(await ledger(world.sql, run.id)).toEqual({ ...run.before, posts: 999 });
  });

  it('counts the children that appear under a parent after their own stage was done', async () => {
    const run = await started(1000);
    for (let windows = 0; (await ledger(world.sql, run.id)).posts !== 1000; windows++) {
      const next = await run.advance();
      for (const c of next.kind === 'dispatch' ? next.dispatch.chunks : []) await erase(c.id);
      expect(windows).toBeLessThan(10);
    }
    // The posts are gone, the feeds are next: an unlucky insert lands between the two.
    await world.sql`INSERT INTO posts (account_id, feed_id, title, body) SELECT ${run.account}, id, 'late', 'late' FROM feeds WHERE account_id = ${run.account}`;
    const next = await run.advance();
    expect(next.kind === 'dispatch' && next.dispatch.chunks.length).toBe(2);
    for (const c of next.kind === 'dispatch' ? next.dispatch.chunks : []) expect(await erase(c.id)).toBe('finished');
    expect(await rowsOf(world.sql, run.account)).toMatchObject({ posts: 0, feeds: 0 });
    expect(await ledger(world.sql, run.id)).toMatchObject({ posts: 1003, feeds: 3 });
    await runAll(run);
    await expectErased(world.sql, run.account, run.id, { ...run.before, posts: 1003 });
  });

  it('makes another pass for many rows behind the cursors, and says so in the events', async () => {
    const run = await started(1000);
    for (let i = 0; (await ledger(world.sql, run.id)).posts !== 1000 && i < 10; i++) {
      const next = await run.advance();
      for (const c of next.kind === 'dispatch' ? next.dispatch.chunks : []) await erase(c.id);
    }
    const feeds = await run.advance();
    for (const c of feeds.kind === 'dispatch' ? feeds.dispatch.chunks : []) await erase(c.id);
    await world.sql`INSERT INTO feeds (account_id, title) VALUES (${run.account}, 'late')`;
    await world.sql`INSERT INTO posts (account_id, feed_id, title, body)
      SELECT ${run.account}, (SELECT id FROM feeds WHERE account_id = ${run.account}), 'late', 'late' FROM generate_series(1, 2000)`;
    await runAll(run);
    await expectErased(world.sql, run.account, run.id, { ...run.before, posts: 3000, feeds: 4 });
    const [pass] = await world.sql`SELECT data FROM lethe.event WHERE erasure_id = ${run.id} AND type = 'pass.started'`;
    expect(pass?.data).toEqual({ pass: 2, locations: ['posts'] });
  });

  it('of two parents at once one goes on and the other is superseded', async () => {
    const run = await started(1000);
    const step = run.step();
    const both = await Promise.all([1, 2, 3].map(() => advanceErasure(domain.ctx, run.id, step)));
    expect(both.filter((n) => n.kind === 'dispatch').length).toBe(1);
    expect(both.filter((n) => n.kind === 'superseded').length).toBe(2);
    const [planned] =
      await world.sql`SELECT sum(rows_planned)::int AS n FROM lethe.task WHERE erasure_id = ${run.id} AND location = 'posts'`;
    expect(planned?.n).toBe(1000);
    expect((await advanceErasure(domain.ctx, run.id, step)).kind).toBe('superseded');
  });
});
