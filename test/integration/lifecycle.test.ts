import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requestErasure } from '../../src/erasure/accept/request.ts';
import { holdErasure, releaseErasure } from '../../src/erasure/model/hold.ts';
import { finishErasure } from '../../src/erasure/steps/finish.ts';
import { startDue, sweep } from '../../src/erasure/upkeep/sweep.ts';
import type { Put } from '../../src/jobs/model/job.ts';
import { reconcile } from '../../src/jobs/reconcile.ts';
import type { Resources } from '../../src/resources.ts';
import { checksum, expectErased, rowsOf } from '../support/evidence.ts';
import { run } from '../support/run-by-hand.ts';
import { accepted, expectProblem, SMALL, subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { type Call, createWorld, KEYS, type World } from '../support/world.ts';

/** `notes` has no foreign key: nothing keeps a slow request from writing there after the account is gone. */
const CATALOG = `
account: { table: accounts, key: id, email: email, flag: erasure_requested_at, created: created_at, threshold: 1000 }
locations:
  - { table: sessions, account: account_id, at: request, owner: identity }
  - { table: posts, account: account_id, owner: reader, sla: 24h }
  - { table: feeds, account: account_id, owner: reader }
  - { table: notes, account: account_id, owner: notes }
`;

let world: World;
let call: Call;
let domain: Resources;
const ADMIN = { auth: `Bearer ${KEYS.admin}` };
const nothing = async () => {};

beforeAll(async () => {
  world = await createWorld({ catalog: CATALOG });
  await world.sql`CREATE TABLE notes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, account_id bigint NOT NULL, text text)`;
  await world.sql`CREATE INDEX ON notes (account_id, id)`;
  call = await world.api();
  domain = await world.domain();
});
afterAll(() => world.close());

const erasureOf = async (id: string) => (await world.sql`SELECT * FROM lethe.erasure WHERE id = ${id}`)[0] ?? {};
const due = (id: string) =>
  world.sql`UPDATE lethe.erasure SET starts_at = now() - interval '1 second' WHERE id = ${id}`;

describe('the sweep', () => {
  it('run five times at once starts each due erasure once, and none that is not due', async () => {
    const ids: string[] = [];
    for (let i = 0; i < 6; i++) {
      const { account } = await subject(world.sql);
      const { erasure } = await requestErasure(domain.ctx, { accountKey: [account], requestedBy: 'test' });
      ids.push(erasure.id);
    }
    const later = ids.pop() as string;
    for (const id of ids) await due(id);
    const dispatched: string[] = [];
    await Promise.all(
      [1, 2, 3, 4, 5].map(() => startDue(domain.ctx, async (d) => void dispatched.push(`${d.erasureId} ${d.step}`))),
    );
    expect(dispatched.sort()).toEqual(ids.map((id) => `${id} 1`).sort());
    expect((await erasureOf(later)).state).toBe('scheduled');
    const [events] =
      await world.sql`SELECT count(*)::int AS n FROM lethe.event WHERE type = 'erasure.running' AND erasure_id IN ${world.sql(ids)}`;
    expect(events?.n).toBe(5);
  });

  it('scrubs what is older than the ledger retention, and keeps counts, states and the digest', async () => {
    const { account } = await subject(world.sql, SMALL);
    const { id } = await accepted(call, account);
    await world.sql`UPDATE lethe.erasure SET completed_at = now() - interval '36 days', email = 'x@example.com' WHERE id = ${id}`;
    const { id: recent } = await accepted(call, (await subject(world.sql, SMALL)).account);
    await sweep(domain.ctx, nothing);
    const scrubbed = await erasureOf(id);
    expect(scrubbed).toMatchObject({ account_key: null, email: null, requested_by: null, state: 'completed' });
    expect(scrubbed.account_digest).toMatch(/^[0-9a-f]{64}$/);
    expect((await erasureOf(recent)).account_key).not.toBeNull();
    const [rows] =
      await world.sql`SELECT sum(c.rows_deleted)::int AS n, count(c.upper)::int AS bounds FROM lethe.chunk c JOIN lethe.task t ON t.id = c.task_id WHERE t.erasure_id = ${id}`;
    expect(rows).toEqual({ n: SMALL + 6, bounds: 0 });
    expect((await call('POST', `/v1/accounts/${account}/erasure`, { body: {} })).status).toBe(404);
    await world.sql`UPDATE lethe.erasure SET completed_at = now() - interval '4 years' WHERE id = ${id}`;
    await sweep(domain.ctx, nothing);
    expect((await erasureOf(id)).account_digest).toBeNull();
  });

  it('scrubs the names of those who asked, held, released and replayed, and keeps what they were', async () => {
    const NAMES = ['user:otto.smith@example.com', 'key:sues-laptop', 'cli', 'status link', 'account.hold', 'account'];
    const of: string[] = [];
    for (const requestedBy of NAMES.slice(0, 2)) {
      const { account } = await subject(world.sql);
      const { erasure } = await requestErasure(domain.ctx, { accountKey: [account], requestedBy });
      for (const by of NAMES) {
        await holdErasure(domain.ctx, erasure.id, by, `${by} says so`);
        if (by !== 'account.hold') await releaseErasure(domain.ctx, erasure.id, by);
      }
      await holdErasure(domain.ctx, erasure.id, 'user:otto.smith@example.com', 'he says so');
      of.push(erasure.id);
      await world.sql`UPDATE lethe.erasure SET state = 'cancelled', cancelled_at = now() - interval '36 days' WHERE id = ${erasure.id}`;
    }
    const everywhere = async () => {
      let text = '';
      for (const table of ['erasure', 'task', 'chunk', 'event', 'notification', 'idempotency'])
        for (const row of await world.sql`SELECT t::text AS text FROM ${world.sql(`lethe.${table}`)} t`)
          text += row.text;
      return text;
    };
    for (const name of ['otto', 'sues-laptop']) expect(await everywhere()).toContain(name);
    await sweep(domain.ctx, nothing);
    for (const name of ['otto', 'sues-laptop']) expect(await everywhere()).not.toContain(name);
    for (const id of of) {
      const kinds =
        await world.sql`SELECT DISTINCT data ->> 'by' AS by FROM lethe.event WHERE erasure_id = ${id} AND data ? 'by'`;
      expect(kinds.map((row) => row.by).sort()).toEqual([
        'account',
        'account.hold',
        'cli',
        'key',
        'status link',
        'user',
      ]);
      expect(await erasureOf(id)).toMatchObject({ requested_by: null, held_by: null, hold_reason: null });
    }
  });

  it('ends status links a month after the scrub, in words; before that they still show that it is done', async () => {
    const { account } = await subject(world.sql, SMALL);
    const { id, link } = await accepted(call, account);
    const page = link.replace('/v1/erasures/', '/status/');
    const token = new URLSearchParams(link.split('?')[1]).get('token') as string;
    const look = async () => {
      const shown = await call('GET', page, { auth: null });
      const start = await call('GET', page.replace('?', '/start?'), { auth: null });
      const undo = await call('POST', page.replace(/\?.*/, '/undo'), {
        auth: null,
        raw: new URLSearchParams({ token }).toString(),
        headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      });
      const json = await call('GET', link, { auth: null });
      const events = await call('GET', link.replace('?', '/events?'), { auth: null });
      const cancel = await call('DELETE', link, { auth: null });
      return { shown, start, undo, json, events, cancel };
    };
    const statuses = async () => Object.values(await look()).map((answer) => answer.status);
    await world.sql`UPDATE lethe.erasure SET completed_at = now() - interval '36 days' WHERE id = ${id}`;
    await sweep(domain.ctx, nothing);
    expect(await statuses()).toEqual([200, 303, 303, 200, 200, 409]);
    await world.sql`UPDATE lethe.erasure SET scrubbed_at = now() - interval '29 days' WHERE id = ${id}`;
    expect(await statuses()).toEqual([200, 303, 303, 200, 200, 409]);
    await world.sql`UPDATE lethe.erasure SET scrubbed_at = now() - interval '31 days' WHERE id = ${id}`;
    const { shown, json, ...others } = await look();
    expect([shown.status, shown.headers.get('content-type')]).toEqual([410, 'text/html; charset=UTF-8']);
    expect(shown.body.text).toContain('This link has ended');
    expectProblem(json, 410, 'link_ended');
    for (const answer of Object.values(others)) expect(answer.status).toBe(410);
    // A wrong token is told nothing of it.
    expect((await call('GET', page.replace(/.$/, 'x'), { auth: null })).status).toBe(404);
    expect((await call('GET', `/v1/erasures/${id}`, ADMIN)).status).toBe(200);
  });

  it('forgets answers to idempotency keys after a day', async () => {
    const { account } = await subject(world.sql, SMALL);
    await call('POST', `/v1/accounts/${account}/erasure`, { body: {}, headers: { 'Idempotency-Key': 'old' } });
    await world.sql`UPDATE lethe.idempotency SET created_at = now() - interval '25 hours'`;
    expect((await sweep(domain.ctx, nothing)).answers).toBe(1);
    expect((await world.sql`SELECT 1 FROM lethe.idempotency`).length).toBe(0);
  });
});

describe('locations without a protecting foreign key', () => {
  it('are probed again after an hour: late rows are erased, without a second mail', async () => {
    const worker = await world.worker();
    const s = await subject(world.sql, SMALL);
    await world.sql`INSERT INTO notes (account_id, text) VALUES (${s.account}, 'mine'), (${s.bystander}, 'theirs')`;
    const { id } = await accepted(call, s.account);
    const notes = async (account: string) =>
      (await world.sql`SELECT 1 FROM notes WHERE account_id = ${account}`).length;
    expect(await notes(s.account)).toBe(0);
    const mailed = () => world.sql`SELECT state FROM lethe.notification WHERE erasure_id = ${id}`;
    await until('the mail is sent', async () => (await mailed())[0]?.state === 'sent');
    expect((await erasureOf(id)).probe_at - (await erasureOf(id)).completed_at).toBe(3_600_000);

    await world.sql`INSERT INTO notes (account_id, text) SELECT ${s.account}, 'late' FROM generate_series(1, 700)`;
    await sweep(domain.ctx, nothing);
    expect(await notes(s.account)).toBe(700);
    await world.sql`UPDATE lethe.erasure SET probe_at = now() WHERE id = ${id}`;
    expect((await sweep(domain.ctx, nothing)).reopened).toBe(1);
    // Nothing was enqueued here on purpose: reconcile of the worker finds it.
    await world.sql`UPDATE lethe.erasure SET dispatched_at = now() - interval '1 minute' WHERE id = ${id}`;
    await until('the late rows are erased', async () => (await erasureOf(id)).state === 'completed');
    expect([await notes(s.account), await notes(s.bystander)]).toEqual([0, 1]);
    expect(await checksum(world.sql, s.bystander)).toBe(s.sum);
    const counts =
      await world.sql`SELECT t.location, sum(c.rows_deleted)::int AS n FROM lethe.task t JOIN lethe.chunk c ON c.task_id = t.id WHERE t.erasure_id = ${id} GROUP BY 1`;
    expect(Object.fromEntries(counts.map((c) => [c.location, c.n]))).toMatchObject({
      notes: 701,
      posts: SMALL,
      accounts: 1,
    });
    expect((await mailed()).map((m) => m.state)).toEqual(['sent']);
    const { probe_at: next, completed_at: completed } = await erasureOf(id);
    expect(next.getTime()).toBeGreaterThan(completed.getTime());
    await worker.stop();
  });

  it('are proved empty: a row that the application holds keeps the erasure from completing', async () => {
    const s = await subject(world.sql, SMALL);
    await world.sql`INSERT INTO notes (account_id, text) VALUES (${s.account}, 'held'), (${s.account}, 'free')`;
    const { id } = await world.sql.begin(async (tx) => {
      await tx`UPDATE notes SET text = 'still held' WHERE account_id = ${s.account} AND text = 'held'`;
      const answer = await accepted(call, s.account);
      expect([answer.answer.status, answer.answer.body.state]).toEqual([202, 'running']);
      expect((await rowsOf(world.sql, s.account)).accounts).toBe(1);
      return answer;
    });
    expect((await run(domain.ctx, id)).kind).toBe('completed');
    expect((await world.sql`SELECT 1 FROM notes WHERE account_id = ${s.account}`).length).toBe(0);
    await expectErased(world.sql, s.account, id, { ...s.before, notes: 2 });
  });

  it('are proved empty by the last transaction, which leaves what the application holds to a later one', async () => {
    const s = await subject(world.sql, SMALL);
    await world.sql`INSERT INTO notes (account_id, text) VALUES (${s.account}, 'held'), (${s.account}, 'free')`;
    const { erasure } = await requestErasure(domain.ctx, { accountKey: [s.account], requestedBy: 'test' });
    await world.sql.begin(async (tx) => {
      await tx`UPDATE notes SET text = 'still held' WHERE account_id = ${s.account} AND text = 'held'`;
      expect(await finishErasure(domain.ctx, erasure, { rows: 500, ms: 5_000 })).toBe('locked');
    });
    expect((await rowsOf(world.sql, s.account)).accounts).toBe(1);
    expect((await run(domain.ctx, erasure.id)).kind).toBe('completed');
    await expectErased(world.sql, s.account, erasure.id, { ...s.before, notes: 2 });
  });

  it('never touch the rows of a newer account with the same key', async () => {
    const s = await subject(world.sql, SMALL);
    const { id } = await accepted(call, s.account);
    await world.sql`INSERT INTO accounts (id, email) OVERRIDING SYSTEM VALUE VALUES (${s.account}, 'newer@example.com')`;
    await world.sql`INSERT INTO notes (account_id, text) VALUES (${s.account}, 'of the newer account')`;
    await world.sql`UPDATE lethe.erasure SET probe_at = now() WHERE id = ${id}`;
    expect((await sweep(domain.ctx, nothing)).reopened).toBe(0);
    expect(await erasureOf(id)).toMatchObject({ state: 'completed', probe_at: null });
    expect((await world.sql`SELECT 1 FROM notes WHERE account_id = ${s.account}`).length).toBe(1);
  });
});

describe('an erasure that cannot go on', () => {
  it('is stalled by a foreign key that appeared meanwhile, and replayed when the catalog fits again', async () => {
    const worker = await world.worker();
    const s = await subject(world.sql);
    await world.sql`CREATE TABLE reports (id bigint PRIMARY KEY, account_id bigint REFERENCES accounts ON DELETE CASCADE)`;
    await world.sql`INSERT INTO reports VALUES (1, ${s.account})`;
    const { id } = await accepted(call, s.account, { body: { startNow: true } });
    await until('it is stalled', async () => (await erasureOf(id)).state === 'stalled');
    expect(await rowsOf(world.sql, s.account)).toEqual({ ...s.before, sessions: 0 });
    expect((await world.sql`SELECT 1 FROM reports`).length).toBe(1);
    const { body } = await call('GET', `/v1/erasures/${id}`, ADMIN);
    expect(JSON.stringify(body)).toContain(
      'catalog_invalid: public.reports (account_id) references public.accounts (id) ON DELETE CASCADE and is not in the catalog: add it',
    );

    await world.sql`DROP TABLE reports`;
    expect((await call('POST', `/v1/erasures/${id}/replay`, ADMIN)).status).toBe(202);
    await until('it is completed', async () => (await erasureOf(id)).state === 'completed');
    expect(await rowsOf(world.sql, s.account)).toEqual({ sessions: 0, posts: 0, feeds: 0, accounts: 0 });
    await worker.stop();
  });

  it('is retried by the sweep after a while', async () => {
    const s = await subject(world.sql);
    const { id } = await accepted(call, s.account, { body: { startNow: true } });
    await world.sql`UPDATE lethe.erasure SET state = 'stalled', retry_at = now() + interval '1 hour' WHERE id = ${id}`;
    expect((await sweep(domain.ctx, nothing)).retried).toBe(0);
    await world.sql`UPDATE lethe.erasure SET retry_at = now() WHERE id = ${id}`;
    expect((await sweep(domain.ctx, nothing)).retried).toBe(1);
    expect((await erasureOf(id)).state).toBe('running');
  });
});

describe('reconcile', () => {
  it('dispatches what is not live, once, and leaves what is', async () => {
    const s = await subject(world.sql);
    const { id } = await accepted(call, s.account, { body: { startNow: true } });
    const run = async (live: boolean) => {
      const added: string[] = [];
      const put: Put = async ({ what, ids }) => {
        if (what === 'window') added.push(`${ids.erasureId}_${ids.step}`);
        return true;
      };
      await reconcile({ ctx: domain.ctx, put, isLive: async () => live });
      return added.filter((jobId) => jobId.startsWith(id));
    };
    expect(await run(false)).toEqual([]);
    await world.sql`UPDATE lethe.erasure SET dispatched_at = now() - interval '11 seconds' WHERE id = ${id}`;
    expect(await run(true)).toEqual([]);
    const both = (await Promise.all([run(false), run(false), run(false)])).flat();
    expect(both).toEqual([`${id}_2`]);
    expect(await run(false)).toEqual([]);
  });

  it('starts an erasure whose sweep was lost', async () => {
    const s = await subject(world.sql);
    const { id } = await accepted(call, s.account);
    await world.sql`UPDATE lethe.erasure SET starts_at = now() - interval '2 minutes' WHERE id = ${id}`;
    const worker = await world.worker();
    await until('it is completed', async () => (await erasureOf(id)).state === 'completed');
    await expectErased(world.sql, s.account, id, { ...s.before, notes: 0 });
    await worker.stop();
  });
});
