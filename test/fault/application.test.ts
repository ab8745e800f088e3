import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checksum, ledger, rowsOf } from '../support/evidence.ts';
import { stateOf } from '../support/progress.ts';
import { subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { type Call, createWorld, KEYS, type World } from '../support/world.ts';

let world: World;
let call: Call;

beforeAll(async () => {
  world = await createWorld({ env: { LETHE_CHUNK_ROWS: '1000', LETHE_SLICE_TIME: '50ms' } });
  call = await world.api();
  await world.worker();
});
afterAll(() => world.close());

const ADMIN = { auth: `Bearer ${KEYS.admin}` };
const state = (id: string) => stateOf(world.sql, id);

type Shown = { progress?: { locations: { name: string; state: string; lastError: string }[] } };

/** An account to erase, whose rows the application goes on using. */
async function people(posts: number, feeds = 40) {
  const { account: victim, ...rest } = await subject(world.sql, posts, feeds);
  return { victim, ...rest };
}
const startNow = async (account: string) =>
  String((await call('POST', `/v1/accounts/${account}/erasure`, { body: { startNow: true } })).body.id);
const completed = (id: string) =>
  until('the erasure is completed', async () => (await state(id)) === 'completed', 60_000);

describe('an application that goes on working', () => {
  it('adds posts and feeds during the erasure: nothing is left, and the ledger counts what arrived', async () => {
    const { victim, bystander, before, sum } = await people(30_000);
    const writer = postgres(world.url, { max: 1, onnotice: () => {} });
    let writing = true;
    const added = { posts: 0, feeds: 0 };
    const write = (async () => {
      while (writing) {
        try {
          await writer.begin(async (tx) => {
            const [feed] = await tx`INSERT INTO feeds (account_id, title) VALUES (${victim}, 'late') RETURNING id`;
            await tx`INSERT INTO posts (account_id, feed_id, title, body) SELECT ${victim}, ${feed?.id}, 'late', 'late' FROM generate_series(1, 3)`;
          });
          added.feeds += 1;
          added.posts += 3;
          const { count } = await writer`INSERT INTO posts (account_id, feed_id, title, body)
            SELECT ${victim}, id, 'late', 'late' FROM feeds WHERE account_id = ${victim} ORDER BY id DESC LIMIT 2`;
          added.posts += count;
        } catch (error) {
          // The account is gone: 23503. Anything else is our fault.
          if ((error as { code?: string }).code !== '23503') throw error;
          if ((await rowsOf(world.sql, victim)).accounts === 0) return;
        }
      }
    })();
    try {
      const id = await startNow(victim);
      await completed(id);
      writing = false;
      await write;
      expect(added.posts).toBeGreaterThan(10);
      expect(await rowsOf(world.sql, victim)).toEqual({ sessions: 0, posts: 0, feeds: 0, accounts: 0 });
      expect(await ledger(world.sql, id)).toEqual({
        ...before,
        posts: Number(before.posts) + added.posts,
        feeds: Number(before.feeds) + added.feeds,
      });
      expect(await checksum(world.sql, bystander)).toBe(sum);
    } finally {
      writing = false;
      await writer.end();
    }
  }, 120_000);

  it('locks the same rows in the opposite order and is never aborted because of us', async () => {
    const { victim, bystander, before, sum } = await people(20_000);
    const feedIds = (await world.sql`SELECT id FROM feeds WHERE account_id = ${victim} ORDER BY id DESC`).map((r) =>
      String(r.id),
    );
    const ids = (await world.sql`SELECT id FROM posts WHERE account_id = ${victim} ORDER BY id DESC`).map((r) =>
      String(r.id),
    );
    const app = postgres(world.url, { max: 4, onnotice: () => {} });
    let working = true;
    let rounds = 0;
    const errors: unknown[] = [];
    const work = (offset: number) =>
      (async () => {
        for (let i = offset; working; i = (i + 37) % ids.length) {
          try {
            await app.begin(async (tx) => {
              // Descending keys, then the account: the reverse of how Lethe takes them.
              for (const id of ids.slice(i, i + 20)) await tx`UPDATE posts SET title = title || '.' WHERE id = ${id}`;
              for (const id of feedIds.slice(0, 10)) await tx`UPDATE feeds SET title = title || '.' WHERE id = ${id}`;
              await tx`UPDATE accounts SET email = email WHERE id = ${victim}`;
            });
            rounds += 1;
          } catch (error) {
            errors.push((error as { code?: string }).code);
          }
        }
      })();
    const workers = [0, 5, 500, 5_000].map(work);
    try {
      const id = await startNow(victim);
      await completed(id);
      expect(await ledger(world.sql, id)).toEqual(before);
    } finally {
      working = false;
      await Promise.all(workers);
      await app.end();
    }
    expect(rounds).toBeGreaterThan(0);
    // Its own four sessions take their locks in one order: a deadlock among them alone is impossible.
    expect(errors).toEqual([]);
    expect(await rowsOf(world.sql, victim)).toEqual({ sessions: 0, posts: 0, feeds: 0, accounts: 0 });
    expect(await checksum(world.sql, bystander)).toBe(sum);
  }, 120_000);

  it('has a post of another account in a feed of this one: an error that names it, never a cascade', async () => {
    const { victim, bystander, before } = await people(2_000, 3);
    const [feed] = await world.sql`SELECT id FROM feeds WHERE account_id = ${victim} ORDER BY id LIMIT 1`;
    const [foreign] =
      await world.sql`INSERT INTO posts (account_id, feed_id, title, body) VALUES (${bystander}, ${feed?.id}, 'mine', 'mine') RETURNING id`;
    const sum = await checksum(world.sql, bystander);
    const id = await startNow(victim);
    await until('the erasure is stalled', async () => (await state(id)) === 'stalled');
    expect(await checksum(world.sql, bystander)).toBe(sum);
    const { body } = await call('GET', `/v1/erasures/${id}`, ADMIN);
    const feeds = (body as Shown).progress?.locations.find((l) => l.name === 'feeds');
    expect(feeds).toMatchObject({ state: 'failed' });
    expect(feeds?.lastError).toMatch(/^foreign_reference: public\.posts \(feed_id\).*public\.feeds/);
    const [event] = await world.sql`SELECT data FROM lethe.event WHERE erasure_id = ${id} AND type = 'task.failed'`;
    expect(event?.data).toMatchObject({ location: 'feeds', referencing: 'posts', keys: [[String(foreign?.id)]] });

    // The owner of the post moves it, the operator replays.
    const [own] = await world.sql`SELECT id FROM feeds WHERE account_id = ${bystander} LIMIT 1`;
    await world.sql`UPDATE posts SET feed_id = ${own?.id} WHERE id = ${foreign?.id}`;
    const moved = await checksum(world.sql, bystander);
    expect((await call('POST', `/v1/erasures/${id}/replay`, ADMIN)).status).toBe(202);
    await completed(id);
    expect(await ledger(world.sql, id)).toEqual(before);
    expect(await checksum(world.sql, bystander)).toBe(moved);
  }, 120_000);

  it('has such a post below a small account: not erased inside the request either', async () => {
    const { victim, bystander } = await people(20, 2);
    const [feed] = await world.sql`SELECT id FROM feeds WHERE account_id = ${victim} ORDER BY id LIMIT 1`;
    await world.sql`INSERT INTO posts (account_id, feed_id, title, body) VALUES (${bystander}, ${feed?.id}, 'mine', 'mine')`;
    const sum = await checksum(world.sql, bystander);
    const answer = await call('POST', `/v1/accounts/${victim}/erasure`, { body: {} });
    expect(answer.status).toBe(202);
    await until('the erasure is stalled', async () => (await state(String(answer.body.id))) === 'stalled');
    expect(await checksum(world.sql, bystander)).toBe(sum);
  });

  it('keeps the account locked for a while: the erasure waits and completes', async () => {
    const { victim, before } = await people(1_500);
    const app = postgres(world.url, { max: 1, onnotice: () => {} });
    let release: () => void = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    let locking: Promise<unknown> = Promise.resolve();
    await new Promise<void>((locked) => {
      locking = app.begin(async (tx) => {
        await tx`SELECT 1 FROM accounts WHERE id = ${victim} FOR KEY SHARE`;
        locked();
        await held;
      });
    });
    const id = await startNow(victim);
    await until('the tables are empty but the account is held', async () => {
      const [row] = await world.sql`SELECT finish_attempts FROM lethe.erasure WHERE id = ${id}`;
      return row?.finish_attempts >= 2;
    });
    expect(await state(id)).toBe('running');
    release();
    await locking;
    await completed(id);
    expect(await ledger(world.sql, id)).toEqual(before);
    await app.end();
  }, 120_000);
});
