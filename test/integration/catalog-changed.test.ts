import { writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cancelErasure } from '../../src/erasure/cancel.ts';
import { readHistory } from '../../src/erasure/history.ts';
import { replayErasure } from '../../src/erasure/replay.ts';
import { startErasure } from '../../src/erasure/start.ts';
import { findErasure } from '../../src/erasure/states.ts';
import type { Resources } from '../../src/resources.ts';
import { checksum, expectErased, ledger, rowsOf } from '../support/evidence.ts';
import { begin, request, run } from '../support/run-by-hand.ts';
import { isFlagged, subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { createWorld, READER_CATALOG, type World } from '../support/world.ts';

const NOTES = `CREATE TABLE notes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, account_id bigint NOT NULL);
  CREATE INDEX ON notes (account_id, id)`;
const WITH_NOTES = `${READER_CATALOG}  - { table: notes, account: account_id, owner: notes }\n`;

let world: World;
beforeEach(async () => {
  world = await createWorld();
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
