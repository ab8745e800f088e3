import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { cancelErasure } from '../../src/erasure/accept/cancel.ts';
import { replayErasure } from '../../src/erasure/accept/replay.ts';
import { eraseNow } from '../../src/erasure/accept/start.ts';
import { type Erasure, findErasure } from '../../src/erasure/model/states.ts';
import { advanceErasure } from '../../src/erasure/steps/advance.ts';
import type { Resources } from '../../src/resources.ts';
import { runVerb } from '../support/command-line.ts';
import { checksum, expectErased, rowsOf } from '../support/evidence.ts';
import { begin, request, run } from '../support/run-by-hand.ts';
import { isFlagged, LARGE, SMALL, subject } from '../support/subject.ts';
import { createWorld, READER_CATALOG, type World } from '../support/world.ts';

/** Comments are of who wrote them, and below a post of anybody. */
const COMMENTS = `
  CREATE TABLE comments (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES accounts, post_id bigint);
  CREATE INDEX ON comments (account_id, id);
  CREATE INDEX ON comments (post_id);
  CREATE TABLE pins (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, post_id bigint);
  CREATE INDEX ON pins (post_id)`;
const CATALOG = `${READER_CATALOG}  - { table: comments, account: account_id, owner: forum }
ignore:
  - { table: pins, reason: of nobody }
`;

let world: World;
let domain: Resources;
beforeAll(async () => {
  world = await createWorld({ env: { LETHE_CHUNK_ROWS: '500' } });
  await world.sql.unsafe(COMMENTS);
  writeFileSync(world.env.LETHE_CATALOG as string, CATALOG);
});
afterAll(() => world.close());
beforeEach(async () => {
  await world.sql`ALTER TABLE comments DROP CONSTRAINT IF EXISTS on_a_post`;
  await world.sql`ALTER TABLE pins DROP CONSTRAINT IF EXISTS pinned`;
});

async function references(table: 'comments' | 'pins', name: string, onDelete: string) {
  await world.sql.unsafe(
    `ALTER TABLE ${table} ADD CONSTRAINT ${name} FOREIGN KEY (post_id) REFERENCES posts (id) ON DELETE ${onDelete}`,
  );
  domain = await world.domain();
}
const found = async (id: string) => (await findErasure(domain.ctx.db, id)) as Erasure;
/** Comments of `by` below posts of `of`. */
const comment = (by: string, of: string, count: number) =>
  world.sql`INSERT INTO comments (account_id, post_id)
    SELECT ${by}, id FROM posts WHERE account_id = ${of} ORDER BY id LIMIT ${count}`;
const commentsOf = async (account: string) =>
  (await world.sql`SELECT 1 FROM comments WHERE account_id = ${account} AND post_id IS NOT NULL`).length;

describe.each(['NO ACTION', 'SET NULL', 'CASCADE'])("another account's comment (%s) on a post", (onDelete) => {
  it('stops a large erasure before anything is deleted, and it can still be undone', async () => {
    await references('comments', 'on_a_post', onDelete);
    const s = await subject(world.sql, LARGE + 500);
    await comment(s.account, s.account, 400);
    await comment(s.bystander, s.account, 3);
    const id = await begin(domain.ctx, s.account);
    const next = await run(domain.ctx, id);
    expect(next).toMatchObject({ kind: 'stalled', error: { code: 'foreign_reference' } });
    expect(await rowsOf(world.sql, s.account)).toEqual({ ...s.before, sessions: 0 });
    expect([await commentsOf(s.account), await commentsOf(s.bystander)]).toEqual([400, 3]);
    const [task] =
      await world.sql`SELECT location, last_error FROM lethe.task WHERE erasure_id = ${id} AND state = 'failed'`;
    expect(task?.location).toBe('posts');
    expect(task?.last_error).toBe(
      'foreign_reference: public.comments (post_id): 3 rows of others reference rows of this account in public.posts (on_a_post). Nothing was deleted, so it can still be undone',
    );
    await cancelErasure(domain.ctx, await found(id), 'cli');
    expect(await found(id)).toMatchObject({ state: 'cancelled', retryAt: null, email: null });
    expect(await isFlagged(world.sql, s.account)).toBe(false);
    expect(await checksum(world.sql, s.bystander)).toBe(s.sum);
  });

  it('is dealt with, and a replay goes on to the end', async () => {
    await references('comments', 'on_a_post', onDelete);
    const s = await subject(world.sql, LARGE + 500);
    await comment(s.bystander, s.account, 1);
    const id = await begin(domain.ctx, s.account);
    expect((await run(domain.ctx, id)).kind).toBe('stalled');
    // Nothing has changed: it stops again, and nothing is deleted.
    await replayErasure(domain.ctx, id, 'sweep');
    expect(await run(domain.ctx, id)).toMatchObject({ kind: 'stalled', error: { code: 'foreign_reference' } });
    expect(await rowsOf(world.sql, s.account)).toEqual({ ...s.before, sessions: 0 });
    await world.sql`DELETE FROM comments WHERE account_id = ${s.bystander}`;
    await replayErasure(domain.ctx, id, 'cli');
    expect((await run(domain.ctx, id)).kind).toBe('completed');
    await expectErased(world.sql, s.account, id, { ...s.before, comments: 0 } as never);
  });
});

it('a small account is not touched either, and the cause is named', async () => {
  await references('comments', 'on_a_post', 'CASCADE');
  const s = await subject(world.sql, SMALL);
  await comment(s.bystander, s.account, 2);
  const id = await request(domain.ctx, s.account);
  await eraseNow(domain.ctx, await found(id));
  expect(await run(domain.ctx, id)).toMatchObject({
    kind: 'stalled',
    error: {
      code: 'foreign_reference',
      detail: expect.stringContaining('public.comments (post_id): 2 rows of others'),
    },
  });
  expect(await rowsOf(world.sql, s.account)).toEqual({ ...s.before, sessions: 0 });
  expect(await commentsOf(s.bystander)).toBe(2);
  await cancelErasure(domain.ctx, await found(id), 'cli');
  expect((await found(id)).state).toBe('cancelled');
});

it('a row of a table under ignore is looked for as well', async () => {
  await references('pins', 'pinned', 'NO ACTION');
  const s = await subject(world.sql, LARGE + 500);
  await world.sql`INSERT INTO pins (post_id) SELECT max(id) FROM posts WHERE account_id = ${s.account}`;
  const id = await begin(domain.ctx, s.account);
  expect(await run(domain.ctx, id)).toMatchObject({
    kind: 'stalled',
    error: {
      code: 'foreign_reference',
      detail: expect.stringContaining('public.pins (post_id): 1 row of others references'),
    },
  });
  expect(await rowsOf(world.sql, s.account)).toEqual({ ...s.before, sessions: 0 });
  await world.sql`DELETE FROM pins`;
});

it('what has begun to be deleted cannot be undone, stalled or not', async () => {
  await references('comments', 'on_a_post', 'CASCADE');
  const s = await subject(world.sql, LARGE + 500);
  const id = await begin(domain.ctx, s.account);
  // After the look: the slices still refuse to take it along.
  await advanceErasure(domain.ctx, id, (await found(id)).step);
  await comment(s.bystander, s.account, 1);
  const outcome = await run(domain.ctx, id).catch(() => run(domain.ctx, id));
  expect(outcome).toMatchObject({ kind: 'stalled', error: { code: 'foreign_reference' } });
  await expect(cancelErasure(domain.ctx, await found(id), 'cli')).rejects.toMatchObject({ code: 'already_started' });
  expect((await found(id)).state).toBe('stalled');
  expect(await commentsOf(s.bystander)).toBe(1);
});

describe('on the command line', () => {
  const lethe = (args: string[]) => runVerb(world.env, args);

  it('lethe plan counts them and names table and constraint', async () => {
    await references('comments', 'on_a_post', 'SET NULL');
    const s = await subject(world.sql, SMALL);
    await comment(s.account, s.account, 5);
    expect(JSON.parse((await lethe(['plan', s.account, '--json'])).out).strays).toEqual([]);
    await comment(s.bystander, s.account, 7);
    expect(JSON.parse((await lethe(['plan', s.account, '--json'])).out).strays).toEqual([
      {
        table: 'public.comments',
        columns: ['post_id'],
        constraint: 'on_a_post',
        parent: 'public.posts',
        location: 'posts',
        rows: 7,
        more: false,
        referencing: 'comments',
        keys: Array.from({ length: 5 }, () => [expect.stringMatching(/^\d+$/)]),
      },
    ]);
    const { out, code } = await lethe(['plan', s.account]);
    expect(code).toBe(0);
    expect(out).toContain(
      'In the way: public.comments (post_id): 7 rows of others reference rows of this account in public.posts (on_a_post)',
    );
  });

  it('lethe catalog check says where it can happen, and where it cannot', async () => {
    await references('comments', 'on_a_post', 'SET NULL');
    const report = JSON.parse((await lethe(['catalog', 'check', '--json'])).out);
    expect(report.possible).toEqual([
      expect.stringMatching(
        /^public\.comments \(post_id\) references public\.posts \(id\) ON DELETE SET NULL: its rows need not/,
      ),
      expect.stringMatching(
        /^public\.posts \(feed_id\) references public\.feeds \(id\) ON DELETE CASCADE: its rows need not/,
      ),
    ]);
    expect((await lethe(['catalog', 'check'])).out).toContain('possible: public.comments (post_id) references');
    await world.sql.unsafe(`DELETE FROM comments; ALTER TABLE posts ADD UNIQUE (account_id, id); ALTER TABLE comments DROP CONSTRAINT on_a_post;
      ALTER TABLE comments ADD CONSTRAINT on_a_post FOREIGN KEY (account_id, post_id) REFERENCES posts (account_id, id)`);
    const within = JSON.parse((await lethe(['catalog', 'check', '--json'])).out);
    expect(within.possible).toEqual([expect.stringContaining('public.posts (feed_id)')]);
  });
});
