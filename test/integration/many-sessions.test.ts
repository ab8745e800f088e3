import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requestErasure } from '../../src/erasure/accept/request.ts';
import { startErasure } from '../../src/erasure/accept/start.ts';
import { holdErasure, releaseErasure } from '../../src/erasure/model/hold.ts';
import { type Erasure, findErasure } from '../../src/erasure/model/states.ts';
import type { Put } from '../../src/jobs/model/job.ts';
import { reconcile } from '../../src/jobs/reconcile.ts';
import type { Resources } from '../../src/resources.ts';
import { checksum, expectErased, ledger, rowsOf } from '../support/evidence.ts';
import { run, step } from '../support/run-by-hand.ts';
import { accepted, isFlagged, subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { type Call, createWorld, type World } from '../support/world.ts';

const MANY = 20_000;

let world: World;
let call: Call;
let domain: Resources;

beforeAll(async () => {
  world = await createWorld();
  call = await world.api();
  domain = await world.domain();
});
afterAll(() => world.close());

const erasureOf = async (id: string) => (await findErasure(domain.ctx.db, id)) as Erasure;
const sessionsOf = async (account: string) => (await rowsOf(world.sql, account)).sessions ?? -1;

/** An account with so many sessions besides the two that each has. */
async function withSessions(more = MANY) {
  const s = await subject(world.sql);
  await world.sql`INSERT INTO sessions (account_id) SELECT ${s.account} FROM generate_series(1, ${more}::int)`;
  return { ...s, before: { ...s.before, sessions: more + 2 } };
}

const ask = async (account: string) =>
  requestErasure(domain.ctx, { accountKey: [account], requestedBy: 'test' }, { eraseSmall: true });

/** A trigger on a table that takes its time for each row. */
async function slowly(table: string, event: string, seconds: number, work: () => Promise<void>): Promise<void> {
  await world.sql.unsafe(`CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM pg_sleep(${seconds}); RETURN coalesce(NEW, OLD); END $$;
    CREATE TRIGGER slow BEFORE ${event} ON ${table} FOR EACH ROW EXECUTE FUNCTION slow()`);
  try {
    await work();
  } finally {
    await world.sql.unsafe(`DROP TRIGGER slow ON ${table}; DROP FUNCTION slow()`);
  }
}

describe('an account with more sessions than a request deletes', () => {
  it('is accepted and flagged, and signed out by the workers long before the start', async () => {
    const s = await withSessions();
    const { id, answer } = await accepted(call, s.account);
    expect(answer.status).toBe(202);
    expect(answer.body).toMatchObject({ state: 'scheduled', signingOut: true });
    expect(await isFlagged(world.sql, s.account)).toBe(true);
    const left = await sessionsOf(s.account);
    expect(left).toBeLessThan(MANY);
    expect(left).toBeGreaterThan(0);
    expect(await ledger(world.sql, id)).toMatchObject({ sessions: MANY + 2 - left });

    const worker = await world.worker();
    await until('the sessions are gone', async () => (await sessionsOf(s.account)) === 0);
    await until('that is known', async () => (await erasureOf(id)).dispatchedAt === null);
    const { body } = await call('GET', `/v1/erasures/${id}`, { auth: 'Bearer key-read' });
    expect(body).toMatchObject({ state: 'scheduled', signingOut: false, startedAt: null });
    expect(await rowsOf(world.sql, s.account)).toEqual({ ...s.before, sessions: 0 });
    expect(await ledger(world.sql, id)).toMatchObject({ sessions: MANY + 2, posts: 0, feeds: 0 });

    expect((await call('POST', `/v1/erasures/${id}/start`)).status).toBe(202);
    await until('it is completed', async () => (await erasureOf(id)).state === 'completed');
    await worker.stop();
    await expectErased(world.sql, s.account, id, s.before);
    expect(await checksum(world.sql, s.bystander)).toBe(s.sum);
  });

  it('is found by reconcile when the job did not reach Redis, and by nobody once they are gone', async () => {
    const s = await withSessions();
    const { erasure } = await ask(s.account);
    const found: string[] = [];
    const put: Put = async ({ what, ids }) => {
      if (what === 'window') found.push(String(ids.erasureId));
      return true;
    };
    const finding = { ctx: domain.ctx, put, isLive: async () => false };
    await world.sql`UPDATE lethe.erasure SET dispatched_at = now() - interval '11 seconds' WHERE id = ${erasure.id}`;
    await reconcile(finding);
    expect(found).toContain(erasure.id);
    expect((await run(domain.ctx, erasure.id)).kind).toBe('scheduled');
    expect(await sessionsOf(s.account)).toBe(0);
    const { id } = erasure;
    const [over] = await world.sql`SELECT data FROM lethe.event
      WHERE erasure_id = ${id} AND type = 'location.erased_at_request' ORDER BY id DESC LIMIT 1`;
    expect(over?.data).toEqual({ over: true, left: [] });
    found.length = 0;
    await reconcile(finding);
    expect(found).not.toContain(id);
  });

  it('can be undone at any moment, and what is left stays', async () => {
    const s = await withSessions();
    const { id } = await accepted(call, s.account);
    const next = await step(domain.ctx, id);
    expect(next.kind).toBe('dispatch');
    await world.sql`INSERT INTO sessions (account_id) SELECT ${s.account} FROM generate_series(1, 5)`;
    const left = await sessionsOf(s.account);
    expect((await call('DELETE', `/v1/erasures/${id}`)).status).toBe(200);
    expect((await step(domain.ctx, id)).kind).toBe('superseded');
    expect(await sessionsOf(s.account)).toBe(left);
    expect(await isFlagged(world.sql, s.account)).toBe(false);
  });

  it('is started beside it, and nothing is counted twice', async () => {
    const s = await withSessions();
    const { erasure } = await ask(s.account);
    expect((await step(domain.ctx, erasure.id)).kind).toBe('dispatch');
    expect(await startErasure(domain.ctx, erasure.id)).not.toBeNull();
    expect((await run(domain.ctx, erasure.id)).kind).toBe('completed');
    await expectErased(world.sql, s.account, erasure.id, s.before);
  });

  it('waits while a person holds it', async () => {
    const s = await withSessions();
    const { erasure } = await ask(s.account);
    await holdErasure(domain.ctx, erasure.id, 'key:ops', 'Legal case 7');
    const left = await sessionsOf(s.account);
    expect((await step(domain.ctx, erasure.id)).kind).toBe('superseded');
    expect(await sessionsOf(s.account)).toBe(left);
    await releaseErasure(domain.ctx, erasure.id, 'key:ops');
    expect((await run(domain.ctx, erasure.id)).kind).toBe('scheduled');
    expect(await sessionsOf(s.account)).toBe(0);
  });

  it('whose application goes on writing some is left to the start after a few passes', async () => {
    const s = await withSessions(1_500);
    const { erasure } = await ask(s.account);
    let next = await step(domain.ctx, erasure.id);
    for (let i = 0; i < 30 && next.kind === 'dispatch'; i++) {
      await world.sql`INSERT INTO sessions (account_id) VALUES (${s.account})`;
      next = await step(domain.ctx, erasure.id);
    }
    expect(next.kind).toBe('scheduled');
    expect(await erasureOf(erasure.id)).toMatchObject({ state: 'scheduled', dispatchedAt: null, passes: 0 });
    await startErasure(domain.ctx, erasure.id);
    expect((await run(domain.ctx, erasure.id)).kind).toBe('completed');
    expect(await sessionsOf(s.account)).toBe(0);
  });
});

describe('sessions that cannot go within a request', () => {
  it('because each takes long are left to the workers', async () => {
    const s = await subject(world.sql);
    await slowly('sessions', 'DELETE', 0.8, async () => {
      const { id, answer } = await accepted(call, s.account);
      expect(answer.body).toMatchObject({ state: 'scheduled', signingOut: true });
      expect(await isFlagged(world.sql, s.account)).toBe(true);
      expect(await sessionsOf(s.account)).toBe(2);
      expect(await ledger(world.sql, id)).toMatchObject({ sessions: 0 });
    });
  });

  it('because the application has locked one are left to the workers', async () => {
    const s = await subject(world.sql);
    const { id } = await world.sql.begin(async (tx) => {
      await tx`UPDATE sessions SET created_at = now() WHERE account_id = ${s.account}`;
      return accepted(call, s.account);
    });
    expect((await erasureOf(id)).dispatchedAt).not.toBeNull();
    expect((await run(domain.ctx, id)).kind).toBe('scheduled');
    expect(await sessionsOf(s.account)).toBe(0);
  });

  it('are not what is blamed for a slow database', async () => {
    const s = await subject(world.sql);
    await slowly('accounts', 'UPDATE', 0.8, async () => {
      const answer = await call('POST', `/v1/accounts/${s.account}/erasure`, { body: {} });
      expect(answer.body.title).not.toContain('cannot be reached');
      expect(answer.status).toBe(503);
    });
    await expect(slowly('accounts', 'UPDATE', 0.8, async () => void (await ask(s.account)))).rejects.toMatchObject({
      code: 'too_slow',
    });
    await until(
      'nothing is recorded',
      async () => (await world.sql`SELECT 1 FROM lethe.erasure WHERE account_key = ${s.account}`).length === 0,
    );
    expect(await rowsOf(world.sql, s.account)).toEqual(s.before);
  });
});
