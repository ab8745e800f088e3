import { writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkCatalog } from '../../src/catalog/check.ts';
import { loadCatalog } from '../../src/catalog/load.ts';
import { cancelErasure } from '../../src/erasure/accept/cancel.ts';
import { replayErasure } from '../../src/erasure/accept/replay.ts';
import { type Erasure, findErasure } from '../../src/erasure/model/states.ts';
import { hashPassword } from '../../src/http/sign-in/password.ts';
import { cookieOf } from '../support/dashboard.ts';
import { expectErased, rowsOf } from '../support/evidence.ts';
import { request, run } from '../support/run-by-hand.ts';
import { accepted, LARGE, SMALL, subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { createWorld, READER_CATALOG, type World } from '../support/world.ts';

let world: World;
beforeEach(async () => {
  world = await createWorld({
    env: {
      LETHE_CHUNK_ROWS: '500',
      LETHE_METRICS_PORT: '0',
      LETHE_DASHBOARD_USERS: `ann=ops=${await hashPassword('correct horse battery')}`,
    },
  });
  // The catalog has fitted once: an installation that is in use.
  await (await world.domain()).connection.db.execute('SELECT 1');
});
afterEach(() => world.close());

const LIKES = `CREATE TABLE likes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, post_id bigint REFERENCES posts ON DELETE CASCADE);
  CREATE INDEX ON likes (post_id)`;
const FIX = 'is not in the catalog: add it to the catalog, then restart, and replay';
const stateOf = async (id: string) => (await world.sql`SELECT state FROM lethe.erasure WHERE id = ${id}`)[0]?.state;
const errorOf = async (id: string) =>
  (await world.sql`SELECT last_error FROM lethe.task WHERE erasure_id = ${id} AND state = 'failed'`)[0]?.last_error;
const found = async (ctx: Awaited<ReturnType<World['domain']>>['ctx'], id: string) =>
  (await findErasure(ctx.db, id)) as Erasure;

describe("an application's migration that adds a table below a listed one", () => {
  it('takes no process down: requests are accepted, and who has no rows there is erased', async () => {
    await world.sql.unsafe(LIKES);
    const call = await world.api();
    const worker = await world.worker();
    const without = await subject(world.sql, 0);
    const small = await subject(world.sql, SMALL);
    const large = await subject(world.sql, LARGE + 200);
    const begun = { body: { startNow: true } };
    const ids: string[] = [];
    for (const s of [without, small, large]) ids.push((await accepted(call, s.account, begun)).id);
    const [a, b, c] = ids as [string, string, string];
    await until(
      'those that it affects are stalled',
      async () => (await stateOf(b)) === 'stalled' && (await stateOf(c)) === 'stalled',
    );
    await until('the other is completed', async () => (await stateOf(a)) === 'completed');
    for (const id of [b, c])
      expect(await errorOf(id)).toBe(
        `catalog_invalid: public.likes (post_id) references public.posts (id) ON DELETE CASCADE and ${FIX}`,
      );
    expect(await rowsOf(world.sql, large.account)).toEqual({ ...large.before, sessions: 0 });
    expect(await rowsOf(world.sql, small.account)).toEqual({ ...small.before, sessions: 0 });
    await expectErased(world.sql, without.account, a, without.before);
    // Every process says so and stays in service.
    const words = 'public.likes (post_id) references public.posts ON DELETE CASCADE and is not in the catalog';
    for (const base of [call.base, `http://127.0.0.1:${worker.metricsPort}`]) {
      const answer = await fetch(`${base}/readyz`);
      expect([answer.status, await answer.json()]).toMatchObject([200, { status: 'degraded', catalog: 'drifted' }]);
    }
    expect(await (await fetch(`http://127.0.0.1:${worker.metricsPort}/metrics`)).text()).toContain(
      'lethe_catalog_drift 1\n',
    );
    const cookie = await cookieOf(call, 'ann', 'correct horse battery');
    const page = await (await fetch(`${call.base}/admin/erasures`, { headers: { Cookie: cookie } })).text();
    expect(page.indexOf(words)).toBeGreaterThan(0);
    expect(page.indexOf(words)).toBeLessThan(page.indexOf('class="health"'));
    // Nothing was deleted of the others: one is undone, one is replayed with the mended catalog.
    const mended = `${READER_CATALOG}ignore:\n  - { table: likes, reason: counters }\n`;
    await world.sql`ALTER TABLE likes DROP CONSTRAINT likes_post_id_fkey, ADD FOREIGN KEY (post_id) REFERENCES posts`;
    writeFileSync(world.env.LETHE_CATALOG as string, mended);
    const { ctx } = await world.domain();
    await cancelErasure(ctx, await found(ctx, c), 'test');
    expect(await stateOf(c)).toBe('cancelled');
    await replayErasure(ctx, b, 'test');
    expect((await run(ctx, b)).kind).toBe('completed');
  });

  it('is seen by processes that run already, and gone when it is undone', async () => {
    const call = await world.api();
    const readyz = async () => (await call('GET', '/readyz')).body;
    expect(await readyz()).toMatchObject({ catalog: 'ok' });
    await world.sql.unsafe(LIKES);
    await until('it is degraded', async () => (await readyz()).catalog === 'drifted');
    await world.sql`DROP TABLE likes`;
    await until('it is well again', async () => (await readyz()).catalog === 'ok');
  });

  it('stops every erasure where it points at the account, and no session keeps a request from being accepted', async () => {
    await world.sql.unsafe(`CREATE TABLE badges (account_id bigint REFERENCES accounts);
      CREATE TABLE devices (session_id uuid REFERENCES sessions ON DELETE CASCADE)`);
    const { ctx } = await world.domain();
    const s = await subject(world.sql, SMALL);
    const id = await request(ctx, s.account);
    expect(await rowsOf(world.sql, s.account)).toEqual(s.before);
    expect(await run(ctx, id)).toMatchObject({ kind: 'stalled', error: { code: 'catalog_invalid' } });
    await world.sql`DROP TABLE devices, badges`;
    // The same process goes on: nothing that it has left out stands in the way.
    await replayErasure(ctx, id, 'test');
    expect((await run(ctx, id)).kind).toBe('completed');
    await expectErased(world.sql, s.account, id, s.before);
  });
});

describe("an application's migration that renames what the catalog names", () => {
  it('a location: requests are accepted, nothing is erased, and the mended catalog goes on with all of it', async () => {
    await world.sql`ALTER TABLE posts RENAME TO articles`;
    const call = await world.api();
    const s = await subjectWithArticles();
    const { id } = await accepted(call, s.account);
    const { ctx } = await world.domain();
    const stalled = await run(ctx, id);
    expect(stalled).toMatchObject({ kind: 'stalled', error: { code: 'catalog_invalid' } });
    expect(stalled.kind === 'stalled' && stalled.error.detail).toMatch(
      /public\.posts: there is no such table.*restart/,
    );
    expect((await world.sql`SELECT 1 FROM articles WHERE account_id = ${s.account}`).length).toBe(SMALL);
    await world.sql`ALTER TABLE articles RENAME TO posts`;
    // The process that started without it does not go on; one that starts now does.
    await replayErasure(ctx, id, 'test');
    expect((await run(ctx, id)).kind).toBe('stalled');
    const mended = await world.domain();
    await replayErasure(mended.ctx, id, 'test');
    expect((await run(mended.ctx, id)).kind).toBe('completed');
    await expectErased(world.sql, s.account, id, { ...s.before, posts: SMALL });
  });

  it('a running API goes on to accept', async () => {
    const call = await world.api();
    await world.sql`ALTER TABLE posts RENAME TO articles`;
    const s = await subjectWithArticles();
    const { id } = await accepted(call, s.account);
    expect(await stateOf(id)).toBe('scheduled');
  });

  it('the account’s table, or a catalog that has never fitted: exit code 2, and what to do', async () => {
    await world.sql`ALTER TABLE accounts RENAME COLUMN id TO number`;
    const refused = world.spawn(['api']);
    expect(await refused.exited).toBe(2);
    expect(refused.output()).toContain('lethe: catalog: ');
    await world.sql`ALTER TABLE accounts RENAME COLUMN number TO id`;
    await world.sql.unsafe(LIKES);
    writeFileSync(world.env.LETHE_CATALOG as string, READER_CATALOG.replace('sla: 24h', 'sla: 25h'));
    const { db } = (await openedBefore()).connection;
    await expect(checkCatalog(db, loadCatalog(world.env.LETHE_CATALOG as string))).rejects.toThrow(/likes/);
  });
});

/** A subject whose posts are in the renamed table. */
async function subjectWithArticles() {
  await world.sql`ALTER TABLE articles RENAME TO posts`;
  const s = await subject(world.sql, SMALL);
  await world.sql`ALTER TABLE posts RENAME TO articles`;
  return s;
}
async function openedBefore() {
  const now = world.env.LETHE_CATALOG as string;
  const text = READER_CATALOG.replace('sla: 24h', 'sla: 25h');
  writeFileSync(now, READER_CATALOG);
  const opened = await world.domain();
  writeFileSync(now, text);
  return opened;
}
