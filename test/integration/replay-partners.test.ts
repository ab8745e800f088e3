import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { replayMany } from '../../src/erasure/accept/replay-many.ts';
import { replayPartners } from '../../src/erasure/accept/replay-partners.ts';
import { type Settlement, settleCalls } from '../../src/erasure/calls/settle.ts';
import { takeCalls } from '../../src/erasure/calls/take.ts';
import { holdErasure } from '../../src/erasure/model/hold.ts';
import { readHistory } from '../../src/erasure/progress/history.ts';
import { dispatchLost } from '../../src/erasure/upkeep/lost-steps.ts';
import { scrubExpired } from '../../src/erasure/upkeep/scrub.ts';
import { runVerb } from '../support/command-line.ts';
import { findNotification } from '../support/notifications.ts';
import { begin, run } from '../support/run-by-hand.ts';
import { expectProblem, subject } from '../support/subject.ts';
import { type Call, createWorld, KEYS, READER_CATALOG, type World } from '../support/world.ts';

const CATALOG = `${READER_CATALOG}
  - { partner: search, owner: discovery, http: { url: "http://127.0.0.1:9/search", secret: "env:SEARCH_SECRET" } }
  - { partner: news, owner: marketing, http: { url: "http://127.0.0.1:9/news", secret: "env:SEARCH_SECRET" }, data: newsletter }
  - { partner: billing, owner: finance, select: { mail: accounts.email }, http: { url: "http://127.0.0.1:9/billing", secret: "env:SEARCH_SECRET" } }
`;
const ADMIN = { auth: `Bearer ${KEYS.admin}` };

let world: World;
let ctx: Awaited<ReturnType<World['domain']>>['ctx'];
let call: Call & { base: string };

beforeAll(async () => {
  world = await createWorld({
    catalog: CATALOG,
    env: { SEARCH_SECRET: 'whsec_c2VjcmV0c2VjcmV0c2VjcmV0', LETHE_PRIVATE_HOSTS: '127.0.0.1' },
  });
  ctx = (await world.domain()).ctx;
  call = await world.api();
});
afterAll(() => world.close());

type CallRow = { id: string; partner: string; state: string; pass: number; due: boolean };
const callsOf = (id: string) => world.sql<CallRow[]>`
  SELECT id, partner, state, pass, coalesce(next_at <= now(), false) AS due FROM lethe.call
   WHERE erasure_id = ${id} ORDER BY partner, pass`;
const openOf = async (id: string) => (await callsOf(id)).filter((c) => ['open', 'accepted'].includes(c.state));
const stateOf = async (id: string) =>
  (await world.sql<{ state: string }[]>`SELECT state FROM lethe.erasure WHERE id = ${id}`)[0]?.state;
const passesOf = async (id: string) =>
  Object.fromEntries(
    (
      await world.sql<{ location: string; state: string; pass: number }[]>`
        SELECT location, state, pass FROM lethe.task WHERE erasure_id = ${id} AND kind = 'http' ORDER BY location`
    ).map((t) => [t.location, `${t.state} ${t.pass}`]),
  );

const answer = (kind: 'done' | 'accepted') => async (id: string, partner?: string) => {
  const open = (await openOf(id)).filter((c) => partner === undefined || c.partner === partner);
  await settleCalls(
    ctx,
    open.map((c): Settlement => ({ id: c.id, answer: { kind, words: 'it says so' } })),
  );
};
const acknowledge = answer('done');
const accept = answer('accepted');
/** They are tried again in an hour. */
const postpone = (id: string) =>
  world.sql`UPDATE lethe.call SET next_at = now() + interval '1 hour', last_at = now() - interval '1 minute'
             WHERE erasure_id = ${id} AND next_at IS NOT NULL`;

/** An account that is gone, whose three partners are asked. */
async function awaiting(account?: string) {
  const of = account ?? (await subject(world.sql, 5)).account;
  const id = await begin(ctx, of);
  expect((await run(ctx, id)).kind).toBe('awaiting');
  return { id, account: of };
}
async function completed() {
  const made = await awaiting();
  await acknowledge(made.id);
  expect((await run(ctx, made.id)).kind).toBe('completed');
  return made;
}
const lethe = (...args: string[]) => runVerb(world.env, ['replay', ...args]);

describe('a replay of one erasure', () => {
  it('asks who has acknowledged anew, with a pass and a message of its own, and leaves out whose values are gone', async () => {
    const { id } = await completed();
    const before = await callsOf(id);
    const replayed = await replayPartners(ctx, id, 'cli');
    expect(replayed).toMatchObject({ again: ['news', 'search'], hurried: [] });
    expect(replayed.left).toEqual([{ partner: 'billing', why: expect.stringContaining('destroyed') }]);
    expect(await stateOf(id)).toBe('awaiting');
    expect((await run(ctx, id)).kind).toBe('awaiting');
    expect(await passesOf(id)).toEqual({ billing: 'done 1', news: 'awaiting 2', search: 'awaiting 2' });
    const fresh = await openOf(id);
    expect(fresh.map((c) => [c.partner, c.pass, c.due])).toEqual([
      ['news', 2, true],
      ['search', 2, true],
    ]);
    expect(before.map((c) => c.id)).not.toEqual(expect.arrayContaining(fresh.map((c) => c.id)));
    await acknowledge(id);
    expect((await run(ctx, id)).kind).toBe('completed');
  });

  it('works any number of times, and mails once', async () => {
    const { id } = await completed();
    const first = await findNotification(world.sql, id, 'completed');
    expect(first).toBeDefined();
    for (const pass of [2, 3, 4]) {
      await replayPartners(ctx, id, 'cli');
      await run(ctx, id);
      expect(await passesOf(id)).toMatchObject({ search: `awaiting ${pass}` });
      await acknowledge(id);
      expect((await run(ctx, id)).kind).toBe('completed');
    }
    const mails = await world.sql`SELECT id FROM lethe.notification WHERE erasure_id = ${id} AND kind = 'completed'`;
    expect(mails.map((m) => m.id)).toEqual([first?.id]);
    const told = (await readHistory(ctx.db, id)).filter((e) => e.type === 'erasure.replayed');
    expect(told.map((e) => e.data)).toEqual(Array(3).fill({ by: 'cli', again: ['news', 'search'], hurried: [] }));
  });

  it('makes what waits due at once, with the same ids, and opens no pass for it', async () => {
    const { id } = await awaiting();
    await accept(id, 'news');
    await postpone(id);
    const before = (await openOf(id)).map((c) => [c.id, c.state]);
    const replayed = await replayPartners(ctx, id, 'cli');
    expect(replayed).toMatchObject({ again: [], hurried: ['billing', 'news', 'search'], dispatch: null });
    expect((await openOf(id)).map((c) => [c.id, c.state])).toEqual(before);
    expect((await openOf(id)).every((c) => c.due)).toBe(true);
    expect(await passesOf(id)).toEqual({ billing: 'awaiting 1', news: 'awaiting 1', search: 'awaiting 1' });
  });

  it('leaves a call alone that a worker is making', async () => {
    const { id } = await awaiting();
    const taken = await takeCalls(ctx, 'search', { holder: 'test', most: 1_000, leaseMs: 60_000 });
    expect(taken?.calls.length).toBeGreaterThan(0);
    await replayPartners(ctx, id, 'cli', { partner: 'search' });
    expect((await openOf(id)).find((c) => c.partner === 'search')).toMatchObject({ due: false });
    await world.sql`UPDATE lethe.partner SET holder = NULL, held_until = NULL`;
  });

  it('of one partner asks no other', async () => {
    const { id } = await completed();
    expect(await replayPartners(ctx, id, 'cli', { partner: 'search' })).toMatchObject({ again: ['search'] });
    expect(await passesOf(id)).toMatchObject({ news: 'done 1', search: 'pending 2' });
    await expect(replayPartners(ctx, id, 'cli', { partner: 'billing' })).rejects.toThrow(/billing \(the values/);
    await expect(replayPartners(ctx, id, 'cli', { partner: 'nobody' })).rejects.toThrow('no partner nobody');
  });

  it('side by side opens one pass', async () => {
    const { id } = await completed();
    const ended = await Promise.allSettled(Array.from({ length: 4 }, () => replayPartners(ctx, id, 'cli')));
    expect(ended.filter((e) => e.status === 'fulfilled').length).toBeGreaterThan(0);
    await run(ctx, id);
    expect(await passesOf(id)).toMatchObject({ search: 'awaiting 2' });
    expect(await openOf(id)).toHaveLength(2);
  });

  it('whose step is lost is found by reconcile', async () => {
    const { id } = await completed();
    await replayPartners(ctx, id, 'cli');
    await world.sql`UPDATE lethe.erasure SET dispatched_at = now() - interval '1 minute' WHERE id = ${id}`;
    const enqueued: string[] = [];
    await dispatchLost(ctx, {
      isLive: async () => false,
      enqueue: async (dispatch) => enqueued.push(dispatch.erasureId),
    });
    expect(enqueued).toContain(id);
  });

  it('that only looks changes nothing', async () => {
    const { id } = await completed();
    expect(await replayPartners(ctx, id, 'cli', { dryRun: true })).toMatchObject({ again: ['news', 'search'] });
    expect(await stateOf(id)).toBe('completed');
    expect(await passesOf(id)).toMatchObject({ search: 'done 1' });
  });
});

describe('a replay is refused', () => {
  const refused = async (id: string) => {
    const answered = await call('POST', `/v1/erasures/${id}/replay`, ADMIN);
    return [answered.status, answered.body.code];
  };

  it('where somebody new has the key, and nobody is asked', async () => {
    const { id, account } = await completed();
    await world.sql`INSERT INTO accounts (id, email) OVERRIDING SYSTEM VALUE VALUES (${account}, 'new@example.com')`;
    expect(await refused(id)).toEqual([409, 'newer_account']);
    expect(await passesOf(id)).toMatchObject({ search: 'done 1' });
    expect(await lethe(id)).toMatchObject({ code: 1, err: expect.stringMatching(/^lethe: newer_account: [^\n]+\n$/) });
    // Theirs is erased by now, and their partners are asked: one key never has two live erasures.
    await world.sql`UPDATE accounts SET erasure_requested_at = NULL WHERE id = ${account}`;
    const theirs = await awaiting(account);
    expect(await refused(id)).toEqual([409, 'newer_account']);
    expect(await refused(theirs.id)).toEqual([202, undefined]);
  });

  it('where it was scrubbed, is on hold, or is in another state', async () => {
    const { id } = await completed();
    await world.sql`UPDATE lethe.erasure SET completed_at = now() - interval '10 years' WHERE id = ${id}`;
    await scrubExpired(ctx);
    const scrubbed = await call('POST', `/v1/erasures/${id}/replay`, ADMIN);
    expectProblem(scrubbed, 409, 'not_replayable');
    expect(scrubbed.body.detail).toContain('scrubbed');

    const held = await awaiting();
    await holdErasure(ctx, held.id, 'cli', 'for the test');
    expect(await refused(held.id)).toEqual([409, 'on_hold']);

    const { account } = await subject(world.sql, 5);
    expect(await refused(await begin(ctx, account))).toEqual([202, undefined]);
  });

  it('to who may not', async () => {
    const { id } = await completed();
    expectProblem(await call('POST', `/v1/erasures/${id}/replay`), 403, 'forbidden');
    expectProblem(await call('POST', '/v1/replays', { body: { partner: 'search' } }), 403, 'forbidden');
    expectProblem(
      await call('POST', '/v1/replays', { auth: null, body: { partner: 'search' } }),
      401,
      'unauthenticated',
    );
  });
});

describe('a replay of many', () => {
  const many = (body: unknown) => call('POST', '/v1/replays', { ...ADMIN, body });
  const since = () => new Date(Date.now() - 60_000).toISOString();

  it('takes who has acknowledged since then, and says first how many they are', async () => {
    const [old, one, two] = [await completed(), await completed(), await completed()];
    await world.sql`UPDATE lethe.task SET finished_at = now() - interval '3 days' WHERE kind = 'http' AND erasure_id <> ALL(${[one.id, two.id]})`;
    expect((await many({ partner: 'search', since: since(), dryRun: true })).body).toMatchObject({ erasures: 2 });
    expect(await stateOf(one.id)).toBe('completed');
    const told = await many({ partner: 'search', since: since() });
    expect(told).toMatchObject({ status: 200, body: { erasures: 2, newer: 0, nextCursor: null } });
    expect(await passesOf(one.id)).toMatchObject({ search: 'pending 2', news: 'done 1' });
    expect(await passesOf(two.id)).toMatchObject({ search: 'pending 2' });
    expect(await passesOf(old.id)).toMatchObject({ search: 'done 1' });
  });

  it('leaves out and counts whose key is somebody else’s by now, and what cannot be asked again', async () => {
    const [kept, gone] = [await completed(), await completed()];
    await world.sql`UPDATE lethe.task SET finished_at = now() - interval '3 days' WHERE kind = 'http' AND erasure_id <> ALL(${[kept.id, gone.id]})`;
    await world.sql`INSERT INTO accounts (id, email) OVERRIDING SYSTEM VALUE VALUES (${gone.account}, 'new2@example.com')`;
    expect((await many({ since: since() })).body).toMatchObject({ erasures: 1, newer: 1 });
    expect(await stateOf(gone.id)).toBe('completed');
    await world.sql`DELETE FROM accounts WHERE id = ${gone.account}`;
    await run(ctx, kept.id);
    await acknowledge(kept.id);
    await run(ctx, kept.id);
    expect((await many({ partner: 'billing', since: since() })).body).toMatchObject({ erasures: 0, impossible: 2 });
  });

  it('makes due what waits, in pages, and what was tried meanwhile not twice', async () => {
    const { id } = await awaiting();
    await postpone(id);
    await world.sql`INSERT INTO lethe.call (id, erasure_id, task_id, partner, pass, state, items, next_at, last_at)
      SELECT gen_random_uuid(), erasure_id, task_id, partner, pass, state, items, now() + interval '1 hour', now() - interval '1 minute'
        FROM lethe.call, generate_series(1, 12000) WHERE erasure_id = ${id} AND partner = 'search'`;
    const pages: number[] = [];
    let stop = true;
    const options = {
      dispatch: async () => {},
      enough: (so: { calls: number }) => {
        pages.push(so.calls);
        return stop;
      },
    };
    const first = await replayMany(ctx, { partner: 'search', since: new Date() }, 'cli', options);
    expect(first).toMatchObject({ calls: 5000, nextCursor: expect.stringMatching(/^calls\.\d+$/) });
    // One of them is tried while the replay is broken off, and waits again.
    await world.sql`UPDATE lethe.call SET next_at = now() + interval '1 hour', last_at = now()
      WHERE id = (SELECT id FROM lethe.call WHERE erasure_id = ${id} AND next_at <= now() LIMIT 1)`;
    stop = false;
    const rest = await replayMany(ctx, { partner: 'search', since: new Date() }, 'cli', {
      ...options,
      cursor: first.nextCursor as string,
    });
    expect(rest).toMatchObject({ calls: 7001, nextCursor: null });
    const due = (await openOf(id)).filter((c) => c.due).length;
    expect(due).toBe(12_000);
    await world.sql`DELETE FROM lethe.call WHERE erasure_id = ${id} AND partner = 'search' AND asked_at IS NULL AND last_words IS NULL`;
  });

  it('that is killed goes on from its cursor', async () => {
    const made = [await completed(), await completed(), await completed()];
    const [first] = made.map((m) => m.id).sort() as [string];
    const rest = await many({ since: since(), cursor: first });
    expect(rest.status).toBe(200);
    expect(await stateOf(first)).toBe('completed');
    for (const { id } of made.filter((m) => m.id !== first)) expect(await stateOf(id)).toBe('awaiting');
  });

  it('of what has stalled runs it again', async () => {
    const { id } = await awaiting();
    await world.sql`UPDATE lethe.erasure SET state = 'stalled' WHERE id = ${id}`;
    expect((await many({ failed: true, dryRun: true })).body).toMatchObject({ erasures: 1, calls: 0 });
    expect((await many({ failed: true })).body).toMatchObject({ erasures: 1, nextCursor: null });
    expect(await stateOf(id)).toBe('running');
  });

  it.each([
    [{}, 'partner'],
    [{ failed: true, partner: 'search' }, 'failed'],
    [{ since: 'yesterday' }, 'since'],
    [{ since: '2026-02-30T00:00:00Z' }, 'since'],
    [{ since: '2999-01-01T00:00:00Z' }, 'since'],
    [{ partner: 'search', cursor: "'; DROP TABLE lethe.call" }, 'cursor'],
    [{ partner: '' }, 'partner'],
  ])('refuses %j', async (body, field) => {
    const answered = await many(body);
    expectProblem(answered, 422, 'invalid_request');
    expect(String(answered.body.field)).toContain(field);
  });
});

describe('lethe replay', () => {
  it('asks the partners of one erasure again, and says first what it would do', async () => {
    const { id } = await completed();
    const dry = await lethe(id, '--dry-run');
    expect(dry).toMatchObject({ code: 0, err: '' });
    expect(dry.out).toContain('Would be asked again: news, search\nLeft out: billing: the values');
    expect(await stateOf(id)).toBe('completed');
    const done = await lethe(id, '--partner', 'news');
    expect(done).toMatchObject({ code: 0, out: `Asked again: news\nErasure ${id} is awaiting.\n` });
    const again = await lethe(id, '--json');
    expect(JSON.parse(again.out)).toMatchObject({ id, state: 'awaiting' });
  });

  it('counts, and takes, many', async () => {
    const { id } = await completed();
    await world.sql`UPDATE lethe.task SET finished_at = now() - interval '3 days' WHERE kind = 'http' AND erasure_id <> ${id}`;
    const dry = await lethe('--partner', 'search', '--since', '90m', '--dry-run');
    expect(dry).toMatchObject({
      code: 0,
      err: '',
      out: expect.stringMatching(/^Would take 1 erasure, and make [\d,]+ waiting calls due at once\.\n$/),
    });
    expect(JSON.parse((await lethe('--since', '90m', '--json')).out)).toMatchObject({ erasures: 1, dryRun: false });
    expect(await stateOf(id)).toBe('awaiting');
    expect(await lethe('--failed')).toMatchObject({ code: 0, out: 'Replayed 0 erasures.\n' });
  });

  it.each([
    [[], 'expected an erasure, --failed, --partner or --since'],
    [['--failed', '--partner', 'search'], '--failed goes alone'],
    [['--since', 'soon'], '--since soon: expected a time in the past'],
    [['--since', '2d', '--after', 'x'], '--after x: expected'],
    [['019a9f3e-5b7c-7d3a-9a55-0d6d3c1f2b10', '--since', '2d'], 'expected either one erasure'],
    [['4711'], '4711: expected the id of an erasure'],
  ])('refuses %j in one line', async (args, words) => {
    const ran = await lethe(...args);
    expect(ran).toMatchObject({ code: 2, out: '' });
    expect(ran.err).toMatch(/^lethe: [^\n]+\n$/);
    expect(ran.err).toContain(words);
  });
});
