import { writeFileSync } from 'node:fs';
import postgres from 'postgres';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { replayErasure } from '../../src/erasure/accept/replay.ts';
import { eraseNow } from '../../src/erasure/accept/start.ts';
import { type Erasure, findErasure } from '../../src/erasure/model/states.ts';
import { advanceErasure } from '../../src/erasure/steps/advance.ts';
import { eraseChunk } from '../../src/erasure/steps/erase-chunk.ts';
import { probeLate } from '../../src/erasure/upkeep/probe-late.ts';
import type { Put } from '../../src/jobs/model/job.ts';
import { reconcile } from '../../src/jobs/reconcile.ts';
import { SliceSize } from '../../src/pace/slice-size.ts';
import type { Resources } from '../../src/resources.ts';
import { checksum, ledger, rowsOf } from '../support/evidence.ts';
import { begin, request, run, step } from '../support/run-by-hand.ts';
import { SMALL, subject } from '../support/subject.ts';
import { createWorld, READER_CATALOG, type World } from '../support/world.ts';

const NOTES = `CREATE TABLE notes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, account_id bigint NOT NULL);
  CREATE INDEX ON notes (account_id, id)`;
const WITH_NOTES = `${READER_CATALOG}  - { table: notes, account: account_id, owner: notes }\n`;

let world: World;
let domain: Resources;

beforeEach(async () => {
  world = await createWorld();
  domain = await world.domain();
});
afterEach(() => world.close());

const erasureOf = async (id: string) => (await findErasure(domain.ctx.db, id)) as Erasure;
const notesOf = async (account: string) => (await world.sql`SELECT 1 FROM notes WHERE account_id = ${account}`).length;

describe('a schema that changes under running processes', () => {
  it('a new cascading table below the sessions keeps them: the request is accepted, and its erasure stalls', async () => {
    const s = await subject(world.sql, SMALL);
    await world.sql.unsafe(
      'CREATE TABLE devices (id bigint PRIMARY KEY, session_id uuid REFERENCES sessions ON DELETE CASCADE)',
    );
    await world.sql`INSERT INTO devices SELECT 1, min(id::text)::uuid FROM sessions WHERE account_id = ${s.account}`;
    const id = await request(domain.ctx, s.account);
    expect(await run(domain.ctx, id)).toMatchObject({
      kind: 'stalled',
      error: {
        code: 'catalog_invalid',
        detail: expect.stringMatching(/^public.devices \(session_id\).*add it to the catalog/),
      },
    });
    expect(await rowsOf(world.sql, s.account)).toEqual(s.before);
    expect((await world.sql`SELECT 1 FROM devices`).length).toBe(1);
  });

  it('a new cascading table stops a small account inside the request, too', async () => {
    const s = await subject(world.sql, SMALL);
    const id = await request(domain.ctx, s.account);
    await world.sql.unsafe(
      'CREATE TABLE notes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, account_id bigint REFERENCES accounts ON DELETE CASCADE)',
    );
    await world.sql`INSERT INTO notes (account_id) VALUES (${s.account})`;
    expect(await eraseNow(domain.ctx, await erasureOf(id))).toMatchObject({ step: 1 });
    expect(await notesOf(s.account)).toBe(1);
    expect(await run(domain.ctx, id)).toMatchObject({ kind: 'stalled', error: { code: 'catalog_invalid' } });
    expect(await rowsOf(world.sql, s.account)).toEqual({ ...s.before, sessions: 0 });
  });

  it('a new key between two listed tables never cascades into another account', async () => {
    await world.close();
    world = await createWorld();
    await world.sql`ALTER TABLE posts DROP CONSTRAINT posts_feed_id_fkey`;
    domain = await world.domain();
    const s = await subject(world.sql);
    await world.sql`INSERT INTO posts (account_id, feed_id, title, body)
      SELECT ${s.bystander}, (SELECT min(id) FROM feeds WHERE account_id = ${s.account}), 'mine', 'mine' FROM generate_series(1, 5)`;
    await world.sql`ALTER TABLE posts ADD FOREIGN KEY (feed_id) REFERENCES feeds ON DELETE CASCADE`;
    const sum = await checksum(world.sql, s.bystander);
    const id = await begin(domain.ctx, s.account);
    const stalled = await run(domain.ctx, id);
    expect(stalled).toMatchObject({ kind: 'stalled', error: { code: 'catalog_invalid' } });
    expect(stalled.kind === 'stalled' && stalled.error.detail).toContain(
      'public.posts (feed_id) references public.feeds (id) ON DELETE CASCADE',
    );
    expect(await checksum(world.sql, s.bystander)).toBe(sum);
  });

  it('a new cascading table stops a chunk that is under way', async () => {
    const s = await subject(world.sql, 6_000);
    const id = await begin(domain.ctx, s.account);
    const next = await advanceErasure(domain.ctx, id, 1);
    const [chunk] = next.kind === 'dispatch' ? next.dispatch.chunks : [];
    await world.sql.unsafe('CREATE TABLE likes (post_id bigint REFERENCES posts ON DELETE CASCADE)');
    await world.sql`INSERT INTO likes SELECT id FROM posts WHERE account_id = ${s.account}`;
    const hooks = { proceed: () => true, onSlice: () => {} };
    const erased = eraseChunk(domain.ctx, chunk?.id as number, new SliceSize(200), hooks);
    await expect(erased).rejects.toThrow(/^catalog_invalid: public.likes \(post_id\)/);
    expect(await world.sql`SELECT count(*)::int AS n FROM likes`).toEqual([{ n: 6_000 }]);
    expect(await step(domain.ctx, id)).toMatchObject({ kind: 'stalled', error: { code: 'catalog_invalid' } });
    await world.sql`DROP TABLE likes`;
    await replayErasure(domain.ctx, id, 'test');
    expect((await run(domain.ctx, id)).kind).toBe('completed');
    expect(await ledger(world.sql, id)).toEqual(s.before);
  });

  it('a statement that can never work stalls the erasure at once instead of being tried again', async () => {
    const s = await subject(world.sql);
    const id = await begin(domain.ctx, s.account);
    await world.sql`ALTER TABLE posts RENAME COLUMN id TO number`;
    expect(await step(domain.ctx, id)).toMatchObject({ kind: 'stalled', error: { code: 'database_error' } });
    expect((await erasureOf(id)).state).toBe('stalled');
    expect(
      await world.sql`SELECT last_error FROM lethe.task WHERE erasure_id = ${id} AND state = 'failed'`,
    ).toMatchObject([{ last_error: expect.stringMatching(/^database_error: SQLSTATE 42703 on .*public.posts/) }]);
  });
});

describe('a catalog that changes between request and start', () => {
  it.each([100, 700])('erases and counts %i rows of a location that is new in it', async (notes) => {
    await world.sql.unsafe(NOTES);
    const s = await subject(world.sql);
    await world.sql`INSERT INTO notes (account_id) SELECT ${s.account} FROM generate_series(1, ${notes}::int)`;
    const id = await begin(domain.ctx, s.account);
    writeFileSync(world.env.LETHE_CATALOG as string, WITH_NOTES);
    const newer = await world.domain();
    expect((await run(newer.ctx, id)).kind).toBe('completed');
    expect(await notesOf(s.account)).toBe(0);
    expect(await ledger(world.sql, id)).toEqual({ ...s.before, notes });
    expect(await checksum(world.sql, s.bystander)).toBe(s.sum);
  });
});

describe('an account that exists again', () => {
  it('is not touched by a reopened erasure, whenever it appears, and may ask for its own', async () => {
    await world.sql.unsafe(NOTES);
    writeFileSync(world.env.LETHE_CATALOG as string, WITH_NOTES);
    const { ctx } = await world.domain();
    const s = await subject(world.sql, SMALL);
    const id = await request(ctx, s.account);
    expect(await eraseNow(ctx, await erasureOf(id))).toBeNull();
    await world.sql`INSERT INTO notes (account_id) SELECT ${s.account} FROM generate_series(1, 700)`;
    await world.sql`UPDATE lethe.erasure SET probe_at = now() WHERE id = ${id}`;
    expect((await probeLate(ctx)).length).toBe(1);
    const planned = await step(ctx, id).then(() => erasureOf(id));
    expect(planned.state).toBe('running');

    await world.sql`INSERT INTO accounts (id, email) OVERRIDING SYSTEM VALUE VALUES (${s.account}, 'newer@example.com')`;
    await world.sql`INSERT INTO notes (account_id) VALUES (${s.account})`;
    await world.sql`INSERT INTO feeds (account_id, title) SELECT ${s.account}, 'newer' FROM generate_series(1, 3)`;
    const [kept] = [await notesOf(s.account)];
    expect((await run(ctx, id)).kind).toBe('completed');
    expect(await notesOf(s.account)).toBe(kept);
    expect(await rowsOf(world.sql, s.account)).toEqual({ sessions: 0, posts: 0, feeds: 3, accounts: 1 });
    expect((await erasureOf(id)).probeAt).toBeNull();
    const own = await request(ctx, s.account);
    expect(own).not.toBe(id);
    expect(await eraseNow(ctx, await erasureOf(own))).toBeNull();
    expect(await rowsOf(world.sql, s.account)).toEqual({ sessions: 0, posts: 0, feeds: 0, accounts: 0 });
  });
});

describe('a row of lethe.erasure that somebody holds', () => {
  it('keeps no other erasure and no mail from their turn', async () => {
    const ids = [
      await begin(domain.ctx, (await subject(world.sql)).account),
      await begin(domain.ctx, (await subject(world.sql)).account),
    ];
    await world.sql`UPDATE lethe.erasure SET dispatched_at = now() - interval '1 minute'`;
    await world.sql`UPDATE lethe.notification SET next_at = now() - interval '1 minute'`;
    const holder = postgres(world.url, { max: 1, onnotice: () => {} });
    const dispatched: string[] = [];
    const mails: string[] = [];
    const put: Put = async ({ what, ids }) => {
      if (what === 'window') dispatched.push(String(ids.erasureId));
      if (what === 'mail') mails.push(String(ids.notificationId));
      return true;
    };
    const finding = { ctx: domain.ctx, put, isLive: async () => false };
    await holder.begin(async (tx) => {
      await tx`SELECT 1 FROM lethe.erasure WHERE id = ${ids[0] as string} FOR UPDATE`;
      await reconcile(finding);
    });
    await holder.end();
    expect(dispatched).toEqual([ids[1]]);
    expect(mails.length).toBe(2);
    for (let i = 0; i < 3; i++) await reconcile(finding);
    expect(dispatched).toEqual([ids[1], ids[0]]);
    expect(mails.length).toBe(2);
  });
});
