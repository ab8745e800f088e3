import { writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cancelErasure } from '../../src/erasure/accept/cancel.ts';
import { replayErasure } from '../../src/erasure/accept/replay.ts';
import { startErasure } from '../../src/erasure/accept/start.ts';
import { findErasure } from '../../src/erasure/model/states.ts';
import { readHistory } from '../../src/erasure/progress/history.ts';
import { probeLate } from '../../src/erasure/upkeep/probe-late.ts';
import type { Resources } from '../../src/resources.ts';
import { checksum, expectErased, ledger, rowsOf } from '../support/evidence.ts';
import { begin, request, run, step } from '../support/run-by-hand.ts';
import { isFlagged, subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { createWorld, READER_CATALOG, type World } from '../support/world.ts';

const NOTES = `CREATE TABLE notes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, account_id bigint NOT NULL);
  CREATE INDEX ON notes (account_id, id)`;
const WITH_NOTES = `${READER_CATALOG}  - { table: notes, account: account_id, owner: notes }\n`;

let world: World;
beforeEach(async () => {
  world = await createWorld({ env: { LETHE_CHUNK_ROWS: '500' } });
});
afterEach(() => world.close());

/** A process that was started with this catalog. */
async function withCatalog(text: string): Promise<Resources> {
  writeFileSync(world.env.LETHE_CATALOG as string, text);
  return world.domain();
}
const notesOf = async (account: string) => (await world.sql`SELECT 1 FROM notes WHERE account_id = ${account}`).length;

describe('the catalog changed while an erasure runs', () => {
  it('a location that is no longer listed is erased all the same: it was when the erasure was accepted', async () => {
    await world.sql.unsafe(NOTES);
    const before = await withCatalog(WITH_NOTES);
    const s = await subject(world.sql, 1_000);
    await world.sql`INSERT INTO notes (account_id) SELECT ${s.account} FROM generate_series(1, 40)`;
    const id = await request(before.ctx, s.account);
    const after = await withCatalog(READER_CATALOG);
    await startErasure(after.ctx, id);
    expect((await run(after.ctx, id)).kind).toBe('completed');
    expect(await notesOf(s.account)).toBe(0);
    await expectErased(world.sql, s.account, id, { ...s.before, notes: 40 });
    expect(await checksum(world.sql, s.bystander)).toBe(s.sum);
  });

  it('a location that is listed since is added before the verification, and counted', async () => {
    await world.sql.unsafe(NOTES);
    const before = await world.domain();
    const s = await subject(world.sql, 1_000);
    await world.sql`INSERT INTO notes (account_id) SELECT ${s.account} FROM generate_series(1, 700)`;
    const id = await begin(before.ctx, s.account);
    const after = await withCatalog(WITH_NOTES);
    expect((await run(after.ctx, id)).kind).toBe('completed');
    expect(await notesOf(s.account)).toBe(0);
    expect(await ledger(world.sql, id)).toMatchObject({ ...s.before, notes: 700 });
  });

  it('an older process that still runs goes by the newer catalog of the request', async () => {
    await world.sql.unsafe(NOTES);
    const older = await world.domain();
    const newer = await withCatalog(WITH_NOTES);
    const s = await subject(world.sql, 1_000);
    await world.sql`INSERT INTO notes (account_id) VALUES (${s.account})`;
    const id = await begin(newer.ctx, s.account);
    expect((await run(older.ctx, id)).kind).toBe('completed');
    expect(await notesOf(s.account)).toBe(0);
  });

  it('the column of an undo is that of the request', async () => {
    await world.sql`ALTER TABLE accounts ADD COLUMN leaving_at timestamptz`;
    const before = await world.domain();
    const { account } = await subject(world.sql, 1_000);
    const id = await request(before.ctx, account);
    const after = await withCatalog(READER_CATALOG.replace('erasure_requested_at', 'leaving_at'));
    expect(await isFlagged(world.sql, account)).toBe(true);
    const scheduled = await findErasure(after.ctx.db, id);
    if (!scheduled) throw new Error('no erasure');
    await cancelErasure(after.ctx, scheduled, 'account');
    expect(await isFlagged(world.sql, account)).toBe(false);
  });

  it('a table that is gone stalls it; the sweep does not go on without it, an operator may', async () => {
    await world.sql.unsafe(NOTES);
    const before = await withCatalog(WITH_NOTES);
    const s = await subject(world.sql, 1_000);
    const id = await begin(before.ctx, s.account);
    await world.sql`ALTER TABLE notes RENAME TO remarks`;
    const after = await withCatalog(READER_CATALOG);
    const stalled = { kind: 'stalled', error: { code: 'catalog_invalid' } };
    expect(await run(after.ctx, id)).toMatchObject(stalled);
    expect(await rowsOf(world.sql, s.account)).toEqual({ ...s.before, sessions: 0 });
    await replayErasure(after.ctx, id, 'sweep');
    expect(await run(after.ctx, id)).toMatchObject(stalled);
    await replayErasure(after.ctx, id, 'user:ann');
    expect((await run(after.ctx, id)).kind).toBe('completed');
    await expectErased(world.sql, s.account, id, { ...s.before, notes: 0 });
    const dropped = (await readHistory(after.ctx.db, id)).filter((e) => e.type === 'task.dropped');
    expect(dropped.map((e) => e.data)).toEqual([{ location: 'notes' }]);
  });

  it('a process that does not know the added location goes on with it, once another has added it', async () => {
    await world.sql.unsafe(NOTES);
    const older = await world.domain();
    const s = await subject(world.sql, 1_000);
    const id = await begin(older.ctx, s.account);
    const newer = await withCatalog(WITH_NOTES);
    await step(newer.ctx, id);
    await world.sql`INSERT INTO notes (account_id) SELECT ${s.account} FROM generate_series(1, 3)`;
    expect((await run(older.ctx, id)).kind).toBe('completed');
    expect(await notesOf(s.account)).toBe(0);
    await expectErased(world.sql, s.account, id, { ...s.before, notes: 3 });
  });

  it('one whose catalog was not kept goes by the current one, with its locations', async () => {
    await world.sql.unsafe(NOTES);
    const before = await world.domain();
    const s = await subject(world.sql, 1_000);
    await world.sql`INSERT INTO notes (account_id) SELECT ${s.account} FROM generate_series(1, 40)`;
    const id = await begin(before.ctx, s.account);
    await world.sql`DELETE FROM lethe.catalog`;
    const after = await withCatalog(WITH_NOTES);
    expect((await run(after.ctx, id)).kind).toBe('completed');
    await expectErased(world.sql, s.account, id, { ...s.before, notes: 40 });
  });

  it('a hold that the catalog names since is respected', async () => {
    const before = await world.domain();
    const s = await subject(world.sql, 1_000);
    const id = await request(before.ctx, s.account);
    await world.sql`ALTER TABLE accounts ADD COLUMN legal_hold boolean`;
    await world.sql`UPDATE accounts SET legal_hold = true WHERE id = ${s.account}`;
    const after = await withCatalog(
      READER_CATALOG.replace('created: created_at,', 'created: created_at, hold: legal_hold,'),
    );
    expect(await startErasure(after.ctx, id)).toBeNull();
    expect(await findErasure(after.ctx.db, id)).toMatchObject({ state: 'scheduled', heldBy: 'account.hold' });
  });

  it('a replay looks anew, also in a process that knew the table while it was there', async () => {
    await world.sql.unsafe(NOTES);
    const before = await withCatalog(WITH_NOTES);
    const s = await subject(world.sql, 1_000);
    const id = await request(before.ctx, s.account);
    const after = await withCatalog(READER_CATALOG);
    // Resolves the catalog of the request while it still fits.
    await startErasure(after.ctx, id);
    await step(after.ctx, id);
    await world.sql`DROP TABLE notes`;
    const fresh = await world.domain();
    expect(await run(fresh.ctx, id)).toMatchObject({ kind: 'stalled', error: { code: 'catalog_invalid' } });
    await replayErasure(after.ctx, id, 'user:ann');
    expect((await run(fresh.ctx, id)).kind).toBe('completed');
  });

  it('late rows are looked for with the current catalog when that of the request does not fit', async () => {
    await world.sql.unsafe(NOTES);
    await world.sql`CREATE TABLE drafts (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, account_id bigint NOT NULL)`;
    await world.sql`CREATE INDEX ON drafts (account_id, id)`;
    const both = `${WITH_NOTES}  - { table: drafts, account: account_id, owner: notes }\n`;
    const before = await withCatalog(both);
    const s = await subject(world.sql, 1_000);
    const id = await begin(before.ctx, s.account);
    expect((await run(before.ctx, id)).kind).toBe('completed');
    await world.sql`DROP TABLE drafts`;
    const after = await withCatalog(WITH_NOTES);
    await world.sql`INSERT INTO notes (account_id) VALUES (${s.account})`;
    await world.sql`UPDATE lethe.erasure SET probe_at = now() WHERE id = ${id}`;
    const reopened = await probeLate(after.ctx);
    expect(reopened.map((d) => d.erasureId)).toEqual([id]);
  });

  it('to something invalid: what runs goes on, what starts refuses with one line and exit code 2', async () => {
    const s = await subject(world.sql, 20_000);
    const call = await world.api();
    await world.worker();
    const asked = await call('POST', `/v1/accounts/${s.account}/erasure`, { body: { startNow: true } });
    writeFileSync(world.env.LETHE_CATALOG as string, 'account: [');
    const refused = world.spawn(['worker']);
    expect(await refused.exited).toBe(2);
    expect(refused.output()).toMatch(/^lethe: .*catalog\.yaml: .+/);
    expect(refused.output().trim().split('\n').length).toBeLessThan(4);
    const id = String(asked.body.id);
    await until('it is completed', async () => {
      const [row] = await world.sql`SELECT state FROM lethe.erasure WHERE id = ${id}`;
      return row?.state === 'completed';
    });
    await expectErased(world.sql, s.account, id, s.before);
  });
});

const USERS = `
account: { table: users, key: id }
locations:
  - { table: orders, account: user_id, owner: shop }
`;

describe('a catalog of other accounts', () => {
  let s: Awaited<ReturnType<typeof subject>>;
  let id: string;
  let before: Resources;

  /** A user with the number of the account that is being erased, and an order. */
  beforeEach(async () => {
    before = await world.domain();
    s = await subject(world.sql, 1_000);
    id = await begin(before.ctx, s.account);
    await world.sql.unsafe(`CREATE TABLE users (id bigint PRIMARY KEY, erasure_requested_at timestamptz);
      CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id bigint NOT NULL REFERENCES users);
      CREATE INDEX ON orders (user_id, id)`);
    await world.sql`INSERT INTO users (id) VALUES (${s.account})`;
    await world.sql`INSERT INTO orders (user_id) VALUES (${s.account})`;
  });
  const others = async () => (await world.sql`SELECT 1 FROM orders JOIN users ON users.id = user_id`).length;

  it('adds nothing: the same number is somebody else there', async () => {
    const after = await withCatalog(USERS);
    expect((await run(after.ctx, id)).kind).toBe('completed');
    await expectErased(world.sql, s.account, id, s.before);
    expect(await others()).toBe(1);
  });

  it('does not take the place of one that does not fit any more, whoever replays', async () => {
    await world.sql`ALTER TABLE feeds RENAME TO channels`;
    const after = await withCatalog(USERS);
    const stalled = { kind: 'stalled', error: { code: 'catalog_invalid' } };
    expect(await run(after.ctx, id)).toMatchObject(stalled);
    await replayErasure(after.ctx, id, 'user:ann');
    expect(await run(after.ctx, id)).toMatchObject(stalled);
    expect(await others()).toBe(1);
    expect((await world.sql`SELECT 1 FROM accounts WHERE id = ${s.account}`).length).toBe(1);
  });

  it('is not asked for late rows, and its flag is not cleared by an undo', async () => {
    await world.sql`ALTER TABLE feeds RENAME TO channels`;
    const waiting = await waitingErasure();
    const after = await withCatalog(USERS.replace('key: id }', 'key: id, flag: erasure_requested_at }'));
    await world.sql`UPDATE lethe.erasure SET state = 'completed', completed_at = now(), probe_at = now() WHERE id = ${id}`;
    expect(await probeLate(after.ctx)).toEqual([]);
    expect((await findErasure(after.ctx.db, id))?.probeAt).toBeNull();
    await cancelErasure(after.ctx, waiting, 'account');
    const [user] =
      await world.sql`SELECT erasure_requested_at AS flag FROM users WHERE id = ${String(waiting.accountKey)}`;
    expect(user?.flag).not.toBeNull();
  });

  /** A scheduled erasure of another account, whose number a flagged user has. */
  async function waitingErasure() {
    const key = s.bystander;
    await world.sql`INSERT INTO users VALUES (${key}, now())`;
    const [row] =
      await world.sql`INSERT INTO lethe.erasure (id, account_key, state, mode, starts_at, due_at, catalog_digest)
      SELECT gen_random_uuid(), ${key}, 'scheduled', 'scheduled', now(), now(), catalog_digest FROM lethe.erasure WHERE id = ${id} RETURNING id`;
    const scheduled = await findErasure(before.ctx.db, String(row?.id));
    if (!scheduled) throw new Error('no erasure');
    return scheduled;
  }
});
