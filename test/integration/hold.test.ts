import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startErasure } from '../../src/erasure/accept/start.ts';
import { dispatchWindow } from '../../src/erasure/model/dispatch.ts';
import { holdErasure, releaseErasure } from '../../src/erasure/model/hold.ts';
import { findErasure } from '../../src/erasure/model/states.ts';
import { readHistory } from '../../src/erasure/progress/history.ts';
import { advanceErasure } from '../../src/erasure/steps/advance.ts';
import { eraseChunk } from '../../src/erasure/steps/erase-chunk.ts';
import { finishErasure } from '../../src/erasure/steps/finish.ts';
import { sweep } from '../../src/erasure/upkeep/sweep.ts';
import { SliceSize } from '../../src/pace/slice-size.ts';
import type { Resources } from '../../src/resources.ts';
import { checksum, expectErased, rowsOf } from '../support/evidence.ts';
import { begin, request, run, step } from '../support/run-by-hand.ts';
import { SMALL, subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { type Call, createWorld, KEYS, READER_CATALOG, type World } from '../support/world.ts';

const CATALOG = READER_CATALOG.replace('created: created_at,', 'created: created_at, hold: legal_hold,');
const ADMIN = `Bearer ${KEYS.admin}`;

let world: World;
let domain: Resources;
let call: Call;

beforeAll(async () => {
  world = await createWorld({ catalog: CATALOG });
  await world.sql`ALTER TABLE accounts ADD COLUMN legal_hold boolean`;
  domain = await world.domain();
  call = await world.api();
});
afterAll(() => world.close());

const erasureOf = async (id: string) => await findErasure(domain.ctx.db, id);
const keep = (account: string, on: boolean | null) =>
  world.sql`UPDATE accounts SET legal_hold = ${on} WHERE id = ${account}`;
const who = async (id: string) =>
  (await readHistory(domain.ctx.db, id)).filter((e) => /held|released/.test(e.type)).map((e) => [e.type, e.data.by]);

/** One step of the parent job; returns the chunks that it sends out. */
async function advance(id: string) {
  const running = await erasureOf(id);
  const next = await advanceErasure(domain.ctx, id, running?.step ?? -1);
  return next.kind === 'dispatch' ? next.dispatch.chunks : [];
}

/** Deletes one slice of one chunk, as a worker that is told to stop after it. */
async function oneSlice(chunkId: number): Promise<string> {
  let slices = 0;
  const size = new SliceSize(200);
  // With time enough: a slice that is slow for once would give way, and nothing would be deleted.
  const patient = { ...domain.ctx, settings: { ...domain.ctx.settings, lockBudgetMs: 5_000 } };
  return eraseChunk(patient, chunkId, size, { proceed: () => slices++ === 0, onSlice: () => {} });
}

describe('a hold by an operator', () => {
  it('freezes at the next slice and resumes where it was, to an exact end', async () => {
    const s = await subject(world.sql, 5_000);
    const id = await begin(domain.ctx, s.account);
    const chunk = (await advance(id))[0] as { id: number };
    expect(await oneSlice(chunk.id)).toBe('handed back');
    const halfway = await rowsOf(world.sql, s.account);
    expect(halfway.posts).toBeGreaterThan(0);
    expect(halfway.posts).toBeLessThan(5_000);

    const held = await holdErasure(domain.ctx, id, 'key:ops', 'court order');
    expect(held).toMatchObject({ state: 'running', heldBy: 'key:ops', holdReason: 'court order' });
    expect(await oneSlice(chunk.id)).toBe('gone');
    expect((await step(domain.ctx, id)).kind).toBe('superseded');
    await sweep(domain.ctx, async () => {});
    expect(await rowsOf(world.sql, s.account)).toEqual(halfway);

    const { dispatch, erasure } = await releaseErasure(domain.ctx, id, 'key:ops');
    expect(erasure).toMatchObject({ heldAt: null, heldBy: null, holdReason: null });
    expect(dispatch?.erasureId).toBe(id);
    expect((await run(domain.ctx, id)).kind).toBe('completed');
    await expectErased(world.sql, s.account, id, s.before);
    expect(await checksum(world.sql, s.bystander)).toBe(s.sum);
    expect(await who(id)).toEqual([
      ['erasure.held', 'key:ops'],
      ['erasure.released', 'key:ops'],
    ]);
  });

  it('over HTTP: frozen with real workers, then completed', async () => {
    const s = await subject(world.sql, 30_000);
    const asked = await call('POST', `/v1/accounts/${s.account}/erasure`, { body: {} });
    const id = String(asked.body.id);
    const answer = await call('POST', `/v1/erasures/${id}/hold`, { auth: ADMIN, body: { reason: 'dispute' } });
    expect(answer.status).toBe(200);
    const start = await call('POST', `/v1/erasures/${id}/start`, { auth: ADMIN });
    expect([start.status, start.body.code]).toEqual([409, 'on_hold']);
    await world.sql`UPDATE lethe.erasure SET starts_at = now() WHERE id = ${id}`;
    // Slices that take a while: it must not be over before it is held once more.
    const worker = await world.worker({ LETHE_CHUNK_ROWS: '1000', LETHE_SLICE_TIME: '10ms' });
    await sweep(domain.ctx, async () => {});
    expect((await erasureOf(id))?.state).toBe('scheduled');
    expect((await call('DELETE', `/v1/erasures/${id}/hold`, { auth: ADMIN })).status).toBe(200);
    expect((await call('POST', `/v1/erasures/${id}/start`, { auth: ADMIN })).status).toBe(202);
    // In the middle of it, with jobs out.
    await until('some rows are gone', async () => (await rowsOf(world.sql, s.account)).posts !== 30_000);
    const again = await call('POST', `/v1/erasures/${id}/hold`, { auth: ADMIN, body: { reason: 'once more' } });
    expect(again.status).toBe(200);
    const frozen = await until('two looks find the same', async () => {
      const first = await rowsOf(world.sql, s.account);
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      const second = await rowsOf(world.sql, s.account);
      return first.posts === second.posts && first;
    });
    expect((await erasureOf(id))?.state).toBe('running');
    expect(frozen.accounts).toBe(1);
    await call('DELETE', `/v1/erasures/${id}/hold`, { auth: ADMIN });
    await until('it is completed', async () => (await erasureOf(id))?.state === 'completed');
    await expectErased(world.sql, s.account, id, s.before);
    await worker.stop();
  });

  it('of one that is final, or unknown, is refused; twice keeps the first time and takes the last reason', async () => {
    const small = await subject(world.sql, SMALL);
    const done = await call('POST', `/v1/accounts/${small.account}/erasure`, { body: {} });
    for (const method of ['POST', 'DELETE']) {
      const answer = await call(method, `/v1/erasures/${done.body.id}/hold`, {
        auth: ADMIN,
        ...(method === 'POST' ? { body: { reason: 'x' } } : {}),
      });
      expect([answer.status, answer.body.code]).toEqual([409, 'not_live']);
    }
    const unknown = '01900000-0000-7000-8000-000000000000';
    expect((await call('POST', `/v1/erasures/${unknown}/hold`, { auth: ADMIN, body: { reason: 'x' } })).status).toBe(
      404,
    );
    const id = await request(domain.ctx, (await subject(world.sql, 1_000)).account);
    const first = await holdErasure(domain.ctx, id, 'user:ann', 'one');
    const second = await holdErasure(domain.ctx, id, 'user:bob', 'two');
    expect(second).toMatchObject({ heldAt: first.heldAt, heldBy: 'user:bob', holdReason: 'two' });
  });

  it('that nobody placed is released without a trace', async () => {
    const id = await request(domain.ctx, (await subject(world.sql, 1_000)).account);
    expect((await releaseErasure(domain.ctx, id, 'user:ann')).dispatch).toBeNull();
    expect(await who(id)).toEqual([]);
  });

  it('placed after the step has looked: nothing is sent out, and the last transaction changes nothing', async () => {
    const s = await subject(world.sql, 1_000);
    const id = await begin(domain.ctx, s.account);
    const running = await erasureOf(id);
    if (!running) throw new Error('no erasure');
    const before = await rowsOf(world.sql, s.account);
    await holdErasure(domain.ctx, id, 'key:ops', 'court order');
    expect(await dispatchWindow(domain.ctx, running)).toBeNull();
    expect(await finishErasure(domain.ctx, running, { rows: 5_000, ms: 5_000 })).toBe('superseded');
    expect(await rowsOf(world.sql, s.account)).toEqual(before);
    expect(await erasureOf(id)).toMatchObject({ state: 'running', step: running.step });
  });

  it('leaves an undo possible', async () => {
    const { account } = await subject(world.sql, 1_000);
    const id = await request(domain.ctx, account);
    await holdErasure(domain.ctx, id, 'user:ann', 'x');
    expect((await call('DELETE', `/v1/erasures/${id}`)).body.state).toBe('cancelled');
  });
});

describe('a hold in the application (account.hold)', () => {
  it('at the request: accepted, signed out, not erased, although it is small; released when it is lifted', async () => {
    const s = await subject(world.sql, SMALL);
    await keep(s.account, true);
    const asked = await call('POST', `/v1/accounts/${s.account}/erasure`, { body: { startNow: true } });
    expect([asked.status, asked.body.state]).toEqual([202, 'scheduled']);
    const id = String(asked.body.id);
    expect(await rowsOf(world.sql, s.account)).toEqual({ ...s.before, sessions: 0 });
    expect(await erasureOf(id)).toMatchObject({ heldBy: 'account.hold' });
    const refused = await call('DELETE', `/v1/erasures/${id}/hold`, { auth: ADMIN });
    expect([refused.status, refused.body.code]).toEqual([409, 'on_hold']);
    await world.sql`UPDATE lethe.erasure SET starts_at = now() WHERE id = ${id}`;
    await sweep(domain.ctx, async () => {});
    expect((await erasureOf(id))?.state).toBe('scheduled');

    await keep(s.account, null);
    await sweep(domain.ctx, async () => {});
    expect(await erasureOf(id)).toMatchObject({ state: 'running', heldAt: null });
    expect((await run(domain.ctx, id)).kind).toBe('completed');
    await expectErased(world.sql, s.account, id, s.before);
  });

  it('placed while it is scheduled: it does not start, and may still be undone', async () => {
    const s = await subject(world.sql, 1_000);
    const id = await request(domain.ctx, s.account);
    await keep(s.account, true);
    expect(await startErasure(domain.ctx, id)).toBeNull();
    expect(await erasureOf(id)).toMatchObject({ state: 'scheduled', heldBy: 'account.hold' });
  });

  it('placed between two windows: nothing more is deleted, and the sweep resumes it when lifted', async () => {
    const s = await subject(world.sql, 3_000);
    const id = await begin(domain.ctx, s.account);
    await keep(s.account, true);
    expect((await step(domain.ctx, id)).kind).toBe('held');
    expect((await rowsOf(world.sql, s.account)).posts).toBe(3_000);
    await keep(s.account, false);
    const dispatched: string[] = [];
    await sweep(domain.ctx, async (d) => void dispatched.push(d.erasureId));
    expect(dispatched).toContain(id);
    expect((await run(domain.ctx, id)).kind).toBe('completed');
    await expectErased(world.sql, s.account, id, s.before);
  });

  it('placed before the last transaction: the account row stays', async () => {
    const s = await subject(world.sql, 6_000);
    const id = await begin(domain.ctx, s.account);
    // A trigger stands for an application that places the hold while the last chunks run.
    await world.sql.unsafe(`
      CREATE FUNCTION hold_late() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN UPDATE accounts SET legal_hold = true WHERE id = OLD.account_id; RETURN OLD; END $$;
      CREATE TRIGGER hold_late AFTER DELETE ON feeds FOR EACH ROW EXECUTE FUNCTION hold_late()`);
    expect((await run(domain.ctx, id)).kind).toBe('held');
    await world.sql.unsafe('DROP TRIGGER hold_late ON feeds; DROP FUNCTION hold_late');
    expect((await rowsOf(world.sql, s.account)).accounts).toBe(1);
    await keep(s.account, false);
    await releaseErasure(domain.ctx, id, 'key:ops');
    expect((await run(domain.ctx, id)).kind).toBe('completed');
  });

  it('placed after the step has looked: the last transaction looks again, under the account’s lock', async () => {
    const s = await subject(world.sql, 1_000);
    const id = await begin(domain.ctx, s.account);
    const before = await rowsOf(world.sql, s.account);
    await keep(s.account, true);
    const running = await erasureOf(id);
    if (!running) throw new Error('no erasure');
    expect(await finishErasure(domain.ctx, running, { rows: 5_000, ms: 5_000 })).toBe('held');
    expect(await rowsOf(world.sql, s.account)).toEqual(before);
  });

  it('may be a timestamp: set means held', async () => {
    const other = await createWorld({ catalog: CATALOG });
    await other.sql`ALTER TABLE accounts ADD COLUMN legal_hold timestamptz`;
    const { ctx } = await other.domain();
    const s = await subject(other.sql, SMALL);
    await other.sql`UPDATE accounts SET legal_hold = now() WHERE id = ${s.account}`;
    const id = await request(ctx, s.account);
    expect(await findErasure(ctx.db, id)).toMatchObject({ state: 'scheduled', heldBy: 'account.hold' });
    await other.close();
  });

  it('never replaces an operator’s, and is never lifted with it', async () => {
    const s = await subject(world.sql, 1_000);
    const id = await request(domain.ctx, s.account);
    await holdErasure(domain.ctx, id, 'key:ops', 'court order');
    await keep(s.account, true);
    expect(await startErasure(domain.ctx, id)).toBeNull();
    await keep(s.account, false);
    await world.sql`UPDATE lethe.erasure SET starts_at = now() WHERE id = ${id}`;
    await sweep(domain.ctx, async () => {});
    expect(await erasureOf(id)).toMatchObject({ state: 'scheduled', heldBy: 'key:ops', holdReason: 'court order' });
  });

  it('is not lifted by the sweep when an operator has placed one since it looked', async () => {
    const { account } = await subject(world.sql, 1_000);
    const id = await request(domain.ctx, account);
    await holdErasure(domain.ctx, id, 'key:ops', 'court order');
    expect((await releaseErasure(domain.ctx, id, 'account.hold')).dispatch).toBeNull();
    expect(await erasureOf(id)).toMatchObject({ heldBy: 'key:ops' });
  });
});
