import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { holdErasure, releaseErasure } from '../../src/erasure/model/hold.ts';
import { type Erasure, findErasure } from '../../src/erasure/model/states.ts';
import { advanceErasure } from '../../src/erasure/steps/advance.ts';
import { eraseChunk } from '../../src/erasure/steps/erase-chunk.ts';
import { finishErasure } from '../../src/erasure/steps/finish.ts';
import { stubbornWork } from '../../src/erasure/steps/verify-and-finish.ts';
import { sweep } from '../../src/erasure/upkeep/sweep.ts';
import { hashPassword } from '../../src/http/sign-in/password.ts';
import { eraseStubborn } from '../../src/locations/table/erase-stubborn.ts';
import { SliceSize } from '../../src/pace/slice-size.ts';
import type { Resources } from '../../src/resources.ts';
import { runVerb } from '../support/command-line.ts';
import { cookieOf } from '../support/dashboard.ts';
import { checksum, ledger, rowsOf } from '../support/evidence.ts';
import { begin, request, run, step } from '../support/run-by-hand.ts';
import { accepted, everything, expectProblem, isFlagged, LARGE, SMALL, subject } from '../support/subject.ts';
import { type Call, createWorld, jwt, KEYS, READER_CATALOG, type World } from '../support/world.ts';

const PASSWORD = 'correct horse battery staple';
const NOTES = '  - { table: notes, account: account_id, owner: notes }\n';

let world: World;
let call: Call & { base: string };
let domain: Resources;
const ADMIN = { auth: `Bearer ${KEYS.admin}` };
const nothing = async () => {};

beforeAll(async () => {
  const users = `sue=support=${await hashPassword(PASSWORD)}`;
  world = await createWorld({ catalog: READER_CATALOG + NOTES, env: { LETHE_DASHBOARD_USERS: users } });
  await world.sql`CREATE TABLE notes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, account_id bigint NOT NULL)`;
  await world.sql`CREATE INDEX ON notes (account_id, id)`;
  call = await world.api();
  domain = await world.domain();
});
afterAll(() => world.close());

const erasureOf = async (id: string) => (await findErasure(domain.ctx.db, id)) as Erasure;
const due = (id: string) => world.sql`UPDATE lethe.erasure SET starts_at = now() WHERE id = ${id}`;

/** The application deletes the account, and somebody new gets its key, with rows whose keys the old one's had. */
async function reborn(account: string): Promise<string> {
  await world.sql.begin(async (tx) => {
    const posts = await tx`SELECT id FROM posts WHERE account_id = ${account} ORDER BY id LIMIT 5`;
    await tx`DELETE FROM accounts WHERE id = ${account}`;
    await tx`INSERT INTO accounts (id, email, created_at) OVERRIDING SYSTEM VALUE
      VALUES (${account}, ${`new-${account}@example.com`}, clock_timestamp())`;
    await tx`INSERT INTO sessions (account_id) SELECT ${account} FROM generate_series(1, 2)`;
    const [feed] = await tx`INSERT INTO feeds (account_id, title) VALUES (${account}, 'newer') RETURNING id`;
    for (const { id } of posts)
      await tx`INSERT INTO posts (id, account_id, feed_id, title, body) OVERRIDING SYSTEM VALUE
        VALUES (${id}, ${account}, ${feed?.id}, 'newer', 'newer')`;
  });
  return checksum(world.sql, account);
}

async function expectClosed(id: string): Promise<void> {
  const closed = await erasureOf(id);
  expect(closed).toMatchObject({ state: 'cancelled', email: null, completedAt: null, signOutAt: null });
  expect(closed.newerAccountAt).toBeInstanceOf(Date);
  const [last] = await world.sql`SELECT type, data FROM lethe.event
    WHERE erasure_id = ${id} AND type LIKE 'erasure.%' ORDER BY id DESC LIMIT 1`;
  expect(last).toMatchObject({ type: 'erasure.cancelled', data: { newerAccount: true } });
  expect(await world.sql`SELECT 1 FROM lethe.notification WHERE erasure_id = ${id} AND state = 'pending'`).toEqual([]);
}

describe('an account that is deleted and made again by the application', () => {
  it.each([
    ['both', READER_CATALOG],
    ['the time of creation', READER_CATALOG.replace('flag: erasure_requested_at, ', '')],
    ['the flag', READER_CATALOG.replace('created: created_at, ', '')],
  ])('is not touched by the erasure of the one before it, told by %s', async (_, catalog) => {
    const other = await createWorld({ catalog });
    try {
      const { ctx } = await other.domain();
      const s = await subject(other.sql);
      const id = await request(ctx, s.account);
      await other.sql`DELETE FROM accounts WHERE id = ${s.account}`;
      await other.sql`INSERT INTO accounts (id, email) OVERRIDING SYSTEM VALUE VALUES (${s.account}, 'new@example.com')`;
      await other.sql`INSERT INTO feeds (account_id, title) SELECT ${s.account}, 'newer' FROM generate_series(1, 3)`;
      const sum = await checksum(other.sql, s.account);
      await other.sql`UPDATE lethe.erasure SET starts_at = now() WHERE id = ${id}`;
      expect((await sweep(ctx, nothing)).started).toBe(0);
      expect(await findErasure(ctx.db, id)).toMatchObject({ state: 'cancelled', email: null });
      expect(await checksum(other.sql, s.account)).toBe(sum);
    } finally {
      await other.close();
    }
  });

  it('neither between two windows nor while a chunk is out', async () => {
    const s = await subject(world.sql);
    const id = await begin(domain.ctx, s.account);
    const running = await erasureOf(id);
    await world.sql`INSERT INTO notes (account_id) VALUES (${s.account})`;
    const { ctx } = await world.domain({ LETHE_CHUNK_ROWS: '600' });
    const next = await advanceErasure(ctx, id, running.step);
    const chunks = next.kind === 'dispatch' ? next.dispatch.chunks : [];
    expect(chunks.length).toBeGreaterThan(0);
    const before = await ledger(world.sql, id);
    const sum = await reborn(s.account);
    for (const chunk of chunks)
      expect(await eraseChunk(ctx, chunk.id, new SliceSize(200), { proceed: () => true, onSlice: () => {} })).toBe(
        'gone',
      );
    expect(await ledger(world.sql, id)).toEqual(before);
    expect(await checksum(world.sql, s.account)).toBe(sum);
    expect((await run(ctx, id)).kind).toBe('cancelled');
    expect(await checksum(world.sql, s.account)).toBe(sum);
    // Nobody can tell whose it is.
    expect(await world.sql`SELECT 1 FROM notes WHERE account_id = ${s.account}`).toHaveLength(1);
    await expectClosed(id);
  });

  it('before the last transaction, and before what takes locked rows for it', async () => {
    const s = await subject(world.sql);
    const id = await begin(domain.ctx, s.account);
    const running = await erasureOf(id);
    const sum = await reborn(s.account);
    const limits = { rows: 5_000, ms: 5_000 };
    expect(await finishErasure(domain.ctx, running, limits)).toBe('superseded');
    expect(await finishErasure(domain.ctx, running, { ...limits, untouched: true })).toBe('superseded');
    expect(await eraseStubborn(domain.ctx, [s.account], stubbornWork(domain.ctx, running))).toBe(0);
    expect(await checksum(world.sql, s.account)).toBe(sum);
    expect((await step(domain.ctx, id)).kind).toBe('cancelled');
    await expectClosed(id);
  });

  it('while the last transaction runs, which found no account to lock', async () => {
    const s = await subject(world.sql);
    const id = await begin(domain.ctx, s.account);
    await world.sql`DELETE FROM accounts WHERE id = ${s.account}`;
    await world.sql`INSERT INTO notes (account_id) VALUES (${s.account})`;
    await world.sql.unsafe(`CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      INSERT INTO accounts (id, email) OVERRIDING SYSTEM VALUE VALUES (OLD.account_id, 'new@example.com'); RETURN OLD; END $$;
      CREATE TRIGGER again BEFORE DELETE ON notes FOR EACH ROW EXECUTE FUNCTION again()`);
    try {
      expect(await finishErasure(domain.ctx, await erasureOf(id), { rows: 5_000, ms: 5_000 })).toBe('superseded');
    } finally {
      await world.sql.unsafe('DROP TRIGGER again ON notes; DROP FUNCTION again()');
    }
    expect((await erasureOf(id)).state).toBe('running');
    // Nobody new: the erasure goes on, and takes what the application has left.
    expect((await run(domain.ctx, id)).kind).toBe('completed');
    expect(await world.sql`SELECT 1 FROM notes WHERE account_id = ${s.account}`).toEqual([]);
  });

  it('is the same one while its time of creation is, whatever became of the flag', async () => {
    const s = await subject(world.sql);
    const id = await request(domain.ctx, s.account);
    await world.sql`UPDATE accounts SET erasure_requested_at = NULL WHERE id = ${s.account}`;
    await due(id);
    expect((await sweep(domain.ctx, nothing)).started).toBe(1);
    expect((await run(domain.ctx, id)).kind).toBe('completed');
    expect(await rowsOf(world.sql, s.account)).toEqual({ sessions: 0, posts: 0, feeds: 0, accounts: 0 });
  });

  it('is the same one while it has the flag, though the application has rewritten its times', async () => {
    const s = await subject(world.sql);
    const id = await request(domain.ctx, s.account);
    await world.sql`UPDATE accounts SET created_at = created_at - interval '1 hour' WHERE id = ${s.account}`;
    await due(id);
    expect((await sweep(domain.ctx, nothing)).started).toBe(1);
    expect((await run(domain.ctx, id)).kind).toBe('completed');
  });

  it('is told whatever the database prints times like', async () => {
    const s = await subject(world.sql);
    const id = await request(domain.ctx, s.account);
    const [name] = await world.sql`SELECT current_database() AS name`;
    await world.sql.unsafe(`ALTER DATABASE ${name?.name} SET datestyle = 'SQL, DMY';
      ALTER DATABASE ${name?.name} SET timezone = 'Asia/Kathmandu'`);
    try {
      const other = await world.domain();
      await due(id);
      expect((await sweep(other.ctx, nothing)).started).toBe(1);
      expect((await run(other.ctx, id)).kind).toBe('completed');
    } finally {
      await world.sql.unsafe(`ALTER DATABASE ${name?.name} RESET ALL`);
    }
  });
});

describe('somebody new who has the key', () => {
  it('can neither read nor undo nor start the erasure of the one before', async () => {
    const s = await subject(world.sql);
    const auth = await jwt({ sub: s.account });
    const { id } = await accepted(call, s.account, { auth, body: {} });
    expect((await call('GET', `/v1/erasures/${id}`, { auth })).status).toBe(200);
    await reborn(s.account);
    const before = await everything(world.sql);
    expectProblem(await call('GET', `/v1/erasures/${id}`, { auth }), 404, 'not_found');
    expectProblem(await call('GET', `/v1/erasures/${id}/events`, { auth }), 404, 'not_found');
    expectProblem(await call('DELETE', `/v1/erasures/${id}`, { auth }), 404, 'not_found');
    expectProblem(await call('POST', `/v1/erasures/${id}/start`, { auth }), 404, 'not_found');
    expect(await everything(world.sql)).toBe(before);
  });

  it.each(['scheduled', 'running', 'stalled'])(
    'gets an erasure of their own, and the %s one is closed',
    async (state) => {
      const s = await subject(world.sql);
      const first = state === 'scheduled' ? await request(domain.ctx, s.account) : await begin(domain.ctx, s.account);
      await world.sql`UPDATE lethe.erasure SET state = ${state} WHERE id = ${first}`;
      await reborn(s.account);
      const auth = await jwt({ sub: s.account });
      const { id, answer } = await accepted(call, s.account, { auth, body: {} });
      expect(id).not.toBe(first);
      expect(answer.body.state).toBe('completed');
      expect(await rowsOf(world.sql, s.account)).toEqual({ sessions: 0, posts: 0, feeds: 0, accounts: 0 });
      expect(await ledger(world.sql, id)).toMatchObject({ sessions: 2, posts: 5, feeds: 1, accounts: 1 });
      await expectClosed(first);
    },
  );

  it('takes over a hold that a person has placed, since whose the rows are cannot be told', async () => {
    const s = await subject(world.sql);
    const first = await request(domain.ctx, s.account);
    await holdErasure(domain.ctx, first, 'key:ops', 'Legal case 7');
    const sum = await reborn(s.account);
    const { id, answer } = await accepted(call, s.account);
    expect(answer.body.state).toBe('scheduled');
    expect(await erasureOf(id)).toMatchObject({ heldBy: 'key:ops', holdReason: 'Legal case 7' });
    await expectClosed(first);
    expect((await rowsOf(world.sql, s.account)).posts).toBe(5);
    expect(sum).not.toBe('');
    await releaseErasure(domain.ctx, id, 'key:ops');
    await due(id);
    expect((await sweep(domain.ctx, nothing)).started).toBe(1);
    expect((await run(domain.ctx, id)).kind).toBe('completed');
  });

  it.each([SMALL, LARGE])(
    'with the same Idempotency-Key gets an answer of their own (%i posts before)',
    async (posts) => {
      const s = await subject(world.sql, posts);
      const auth = await jwt({ sub: s.account });
      const headers = { 'Idempotency-Key': 'delete-account' };
      const first = await accepted(call, s.account, { auth, body: {}, headers });
      const again = await accepted(call, s.account, { auth, body: {}, headers });
      expect(again.answer.body).toEqual(first.answer.body);
      await world.sql`DELETE FROM accounts WHERE id = ${s.account}`;
      // Nobody new yet: the answer that was lost is given again.
      expect((await accepted(call, s.account, { auth, body: {}, headers })).id).toBe(first.id);
      await reborn(s.account);
      const own = await accepted(call, s.account, { auth, body: {}, headers });
      expect(own.id).not.toBe(first.id);
      expect(own.answer.body.state).toBe('completed');
    },
  );

  it('keeps the flag that they have when the one before is undone', async () => {
    const s = await subject(world.sql);
    const { link } = await accepted(call, s.account);
    await reborn(s.account);
    await world.sql`UPDATE accounts SET erasure_requested_at = now() WHERE id = ${s.account}`;
    expect((await call('DELETE', link, { auth: null })).status).toBe(200);
    expect(await isFlagged(world.sql, s.account)).toBe(true);
  });

  it('is not put on hold for, and what is said of the key says whose it is', async () => {
    const s = await subject(world.sql);
    const { id, link } = await accepted(call, s.account);
    await reborn(s.account);
    const listed = async () => {
      const { body } = await call('GET', `/v1/erasures?accountId=${s.account}`, ADMIN);
      return (body.erasures as { id: string; state: string; newerAccountAt: string | null }[])[0];
    };
    expect(await listed()).toMatchObject({ id, state: 'scheduled', newerAccountAt: expect.any(String) });
    const Cookie = await cookieOf(call, 'sue', PASSWORD);
    const support = async (path: string) => (await call('GET', path, { auth: null, headers: { Cookie } })).body.text;
    expect(await support(`/admin/erasures?q=${s.account}`)).toContain('another account has this key now');
    const shown = await runVerb(world.env, ['status', s.account]);
    expect(shown.out).toContain('another account has it now');
    expect((await runVerb(world.env, ['list', '--account', s.account])).out).toContain('(an earlier account)');

    expectProblem(await call('POST', `${link.replace('?', '/start?')}`, { auth: null }), 409, 'not_live');
    await expectClosed(id);
    expect(await listed()).toMatchObject({ id, state: 'cancelled', newerAccountAt: expect.any(String) });
    expect(await support(`/admin/erasures/${id}`)).toContain('Closed: another account has this key now');
    const page = await call('GET', link.replace('/v1/erasures', '/status'), { auth: null });
    expect(page.body.text).toContain('Another account has its id now');
    expect(page.body.text).not.toContain('works again');
  });
});
