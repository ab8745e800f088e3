import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { settleCalls } from '../../src/erasure/calls/settle.ts';
import { findErasure } from '../../src/erasure/model/states.ts';
import type { Resources } from '../../src/resources.ts';
import { deriveToken } from '../../src/tokens.ts';
import { request, run } from '../support/run-by-hand.ts';
import { expectProblem, SMALL, subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { type Call, createWorld, jwt, KEYS, READER_CATALOG, SECRET, type World } from '../support/world.ts';

/** Nobody is asked here: what a worker would do with a call is written down by the tests. */
const CATALOG = `${READER_CATALOG}
  - { partner: search, owner: search, http: { url: "https://search.example.com/erasures", secret: "env:SEARCH_SECRET" } }
  - { partner: billing, owner: billing, http: { url: "https://billing.example.com/erasures", secret: "env:SEARCH_SECRET" } }
`;

let world: World;
let domain: Resources;
let call: Call & { base: string };

beforeAll(async () => {
  world = await createWorld({ catalog: CATALOG });
  domain = await world.domain();
  call = await world.api();
});
afterAll(() => world.close());

type Row = {
  id: string;
  partner: string;
  state: string;
  attempts: number;
  words: string | null;
  wait: number | null;
  sealed: boolean;
};

const callsOf = (erasureId: string) => world.sql<Row[]>`
  SELECT id, partner, state, attempts, last_words AS words, sealed IS NOT NULL AS sealed,
         extract(epoch FROM next_at - now())::float8 AS wait
    FROM lethe.call WHERE erasure_id = ${erasureId} ORDER BY partner`;
/** All that is stored of its calls. */
const stored = async (erasureId: string) =>
  JSON.stringify(await world.sql`SELECT * FROM lethe.call WHERE erasure_id = ${erasureId} ORDER BY id`);

/** An erasure whose account is gone and whose two partners are being asked, and their calls. */
async function awaiting() {
  const { account } = await subject(world.sql, SMALL);
  const id = await request(domain.ctx, account);
  expect(await run(domain.ctx, id)).toMatchObject({ kind: 'awaiting' });
  const [billing, search] = (await callsOf(id)) as unknown as [Row, Row];
  return { id, billing, search };
}
/** The partner answered 202. */
const accept = (id: string) =>
  settleCalls(domain.ctx, [{ id, answer: { kind: 'accepted', words: 'it answered 202' } }]);
/** A worker has the call in its hands. */
const lease = (id: string) => world.sql`
  UPDATE lethe.call SET leased_until = now() + interval '30 seconds', next_at = now() + interval '30 seconds' WHERE id = ${id}`;

const tokenOf = (id: string, secret = SECRET) => `Bearer ${deriveToken([secret], 'ack', id)}`;
type More = { auth?: string | null; reason?: string; to?: Call };
const acknowledgeOnce = (id: string, status: string, { auth = tokenOf(id), to = call, ...rest }: More = {}) =>
  to('POST', `/v1/tasks/${id}/ack`, { auth, body: { status, ...rest } });
/** Again while a busy machine answers that the database was late. */
const acknowledge = (id: string, status: string, more: More = {}) =>
  until('the database is in time', async () => {
    const answer = await acknowledgeOnce(id, status, more);
    return answer.status === 503 ? null : answer;
  });
/** What the ledger counts of a partner. */
const counted = async (erasureId: string, partner: string) => {
  const [row] = await world.sql<{ deleted: string; planned: string }[]>`
    SELECT coalesce(sum(c.rows_deleted), 0) AS deleted, coalesce(sum(c.rows_planned), 0) AS planned
      FROM lethe.chunk c JOIN lethe.task t ON t.id = c.task_id
     WHERE t.erasure_id = ${erasureId} AND t.location = ${partner}`;
  return [Number(row?.deleted), Number(row?.planned)];
};
const taskState = async (erasureId: string, partner: string) =>
  (await world.sql`SELECT state FROM lethe.task WHERE erasure_id = ${erasureId} AND location = ${partner}`)[0]?.state;

describe('an acknowledgement', () => {
  it.each([
    ['erased', 'it acknowledged: erased'],
    ['not_found', 'it acknowledged: it never had it'],
  ])('%s settles the call, and is counted once however often it comes', async (status, words) => {
    const { id, search } = await awaiting();
    await accept(search.id);
    const first = await acknowledge(search.id, status);
    expect([first.status, first.body]).toEqual([200, { task: search.id, settled: true }]);
    expect(first.headers.get('cache-control')).toBe('no-store');
    const again = await Promise.all(Array.from({ length: 20 }, () => acknowledge(search.id, status)));
    for (const { status, body } of again) expect([status, body]).toEqual([first.status, first.body]);
    expect((await callsOf(id))[1]).toMatchObject({ state: 'done', words, wait: null, sealed: false });
    expect(await counted(id, 'search')).toEqual([1, 1]);
    expect(await taskState(id, 'search')).toBe('done');
    expect(await taskState(id, 'billing')).toBe('awaiting');
    expect((await findErasure(domain.ctx.db, id))?.state).toBe('awaiting');
  });

  it('that is the last one begins the step that completes the erasure', async () => {
    const { id, search, billing } = await awaiting();
    await acknowledge(search.id, 'erased');
    expect((await findErasure(domain.ctx.db, id))?.dispatchedAt).toBeNull();
    await acknowledge(billing.id, 'not_found');
    expect((await findErasure(domain.ctx.db, id))?.dispatchedAt).not.toBeNull();
    expect(await run(domain.ctx, id)).toMatchObject({ kind: 'completed' });
  });

  it('many at once settle each exactly once', async () => {
    const all = await Promise.all(Array.from({ length: 12 }, () => awaiting()));
    const ids = all.flatMap(({ search, billing }) => [search.id, billing.id]);
    const answers = await Promise.all([...ids, ...ids].map((id) => acknowledge(id, 'erased')));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    for (const { id } of all) {
      expect((await callsOf(id)).map(({ state }) => state)).toEqual(['done', 'done']);
      expect(await counted(id, 'search')).toEqual([1, 1]);
      const [acknowledged] = await world.sql`
        SELECT count(*)::int AS n FROM lethe.event WHERE erasure_id = ${id} AND type = 'task.acknowledged'`;
      expect(acknowledged?.n).toBe(2);
      expect(await run(domain.ctx, id)).toMatchObject({ kind: 'completed' });
    }
  });

  it('one whose erasure is locked makes no other fail', async () => {
    const [stuck, free] = [await awaiting(), await awaiting()];
    await world.sql.begin(async (tx) => {
      await tx`SELECT 1 FROM lethe.erasure WHERE id = ${stuck.id} FOR UPDATE`;
      const late = acknowledgeOnce(stuck.search.id, 'erased');
      const others = await Promise.all([acknowledge(free.search.id, 'erased'), acknowledge(free.billing.id, 'erased')]);
      expect(others.map(({ status }) => status)).toEqual([200, 200]);
      expect((await late).status).toBe(503);
    });
    expect((await acknowledge(stuck.search.id, 'erased')).status).toBe(200);
    expect(await counted(stuck.id, 'search')).toEqual([1, 1]);
  });

  it('that comes before the answer to its own call counts; the answer changes nothing', async () => {
    const { id, search } = await awaiting();
    await lease(search.id);
    expect((await acknowledge(search.id, 'erased')).body).toEqual({ task: search.id, settled: true });
    const before = await stored(id);
    await accept(search.id);
    await settleCalls(domain.ctx, [{ id: search.id, answer: { kind: 'done', words: 'it answered 200' } }]);
    await settleCalls(domain.ctx, [{ id: search.id, answer: { kind: 'later', words: 'timeout', down: true } }]);
    expect(await stored(id)).toBe(before);
    expect(await counted(id, 'search')).toEqual([1, 1]);
  });

  it('of a call that is not asked any more is taken, and counts nothing', async () => {
    const { id, search } = await awaiting();
    await settleCalls(domain.ctx, [{ id: search.id, answer: { kind: 'dropped', words: 'somebody new has the key' } }]);
    expect((await acknowledge(search.id, 'erased')).body).toEqual({ task: search.id, settled: true });
    expect((await acknowledge(search.id, 'failed')).body).toEqual({ task: search.id, settled: true });
    expect(await counted(id, 'search')).toEqual([0, 1]);
    expect((await callsOf(id))[1]).toMatchObject({ state: 'dropped', words: 'somebody new has the key' });
  });
});

describe('an acknowledgement that it failed', () => {
  it('is tried again by the schedule, and its reason is kept for support', async () => {
    const { id, search } = await awaiting();
    await accept(search.id);
    const answer = await acknowledge(search.id, 'failed', { reason: 'the index is read-only' });
    expect([answer.status, answer.body]).toEqual([200, { task: search.id, settled: false }]);
    const [, after] = (await callsOf(id)) as unknown as [Row, Row];
    expect(after).toMatchObject({ state: 'open', attempts: 1 });
    expect(after.words).toBe('it acknowledged that it failed: the index is read-only');
    expect(after.wait).toBeGreaterThan(0);
    expect(after.wait).toBeLessThan(6);
    expect(await taskState(id, 'search')).toBe('awaiting');
    expect(await counted(id, 'search')).toEqual([0, 1]);
  });

  it('said again changes nothing; said of the next try it waits longer', async () => {
    const { id, search } = await awaiting();
    await accept(search.id);
    await acknowledge(search.id, 'failed');
    const [, first] = (await callsOf(id)) as unknown as [Row, Row];
    expect((await acknowledge(search.id, 'failed')).body).toEqual({ task: search.id, settled: false });
    const [, again] = (await callsOf(id)) as unknown as [Row, Row];
    expect(again.attempts).toBe(first.attempts);
    expect(again.wait).toBeLessThanOrEqual(first.wait as number);
    await lease(search.id);
    await acknowledge(search.id, 'failed', { reason: 'still' });
    const [, second] = (await callsOf(id)) as unknown as [Row, Row];
    expect(second).toMatchObject({ state: 'open', attempts: 2, words: 'it acknowledged that it failed: still' });
    expect(second.wait).toBeGreaterThan(200);
    expect((await acknowledge(search.id, 'erased')).body).toEqual({ task: search.id, settled: true });
    expect(await counted(id, 'search')).toEqual([1, 1]);
  });

  it('that overtakes the answer to its own call is not undone by it', async () => {
    const { id, search } = await awaiting();
    await lease(search.id);
    await acknowledge(search.id, 'failed');
    const asked = { partner: 'search', ackTimeoutMs: 86_400_000, probing: false, attempts: new Map() };
    await settleCalls(domain.ctx, [{ id: search.id, answer: { kind: 'accepted', words: 'it answered 202' } }], asked);
    const [, after] = (await callsOf(id)) as unknown as [Row, Row];
    expect(after).toMatchObject({ state: 'open', attempts: 1 });
    expect(after.wait).toBeLessThan(6);
  });

  it('shows a reason without control characters and addresses, and not all of a long one', async () => {
    const { id, search } = await awaiting();
    await accept(search.id);
    const reason = `\u001b[31mno\u0000\r\nrights\u202e for ann@example.com ${'x'.repeat(1_900)}`;
    expect((await acknowledge(search.id, 'failed', { reason })).status).toBe(200);
    const words = (await callsOf(id))[1]?.words ?? '';
    expect(words).toMatch(/^it acknowledged that it failed: \[31mno rights for … x{100}/);
    expect(words).not.toMatch(/\p{C}/u);
    expect(words.length).toBeLessThanOrEqual(300);
  });
});

describe('who may acknowledge', () => {
  it('only the token of exactly this task', async () => {
    const { id, search, billing } = await awaiting();
    await accept(search.id);
    const before = await stored(id);
    const refused: [string | null, number, string][] = [
      [null, 401, 'unauthenticated'],
      [tokenOf(billing.id), 401, 'unauthenticated'],
      [`${tokenOf(search.id)}x`, 401, 'unauthenticated'],
      [tokenOf(search.id, 'x'.repeat(40)), 401, 'unauthenticated'],
      [`Bearer ${deriveToken([SECRET], 'status', search.id)}`, 401, 'unauthenticated'],
      [`Bearer ${deriveToken([SECRET], 'status', id)}`, 401, 'unauthenticated'],
      [`Bearer ${KEYS.admin}`, 403, 'forbidden'],
      [await jwt({ sub: '1' }), 403, 'forbidden'],
    ];
    for (const [auth, status, code] of refused)
      expectProblem(await acknowledge(search.id, 'erased', { auth }), status, code);
    expect(await stored(id)).toBe(before);
  });

  it('a token of a secret that is being replaced still works; one that is gone does not', async () => {
    const { search, billing } = await awaiting();
    const later = await world.api({ LETHE_SECRET: `${'n'.repeat(40)},${SECRET}` });
    expect((await acknowledge(search.id, 'erased', { to: later })).status).toBe(200);
    const without = await world.api({ LETHE_SECRET: 'n'.repeat(40) });
    expectProblem(await acknowledge(billing.id, 'erased', { to: without }), 401, 'unauthenticated');
  });

  it('an id that was never asked under is not found, also with a token that fits', async () => {
    const id = randomUUID();
    expectProblem(await acknowledge(id, 'erased'), 404, 'not_found');
    expectProblem(await acknowledge(id.toUpperCase(), 'erased', { auth: tokenOf(id) }), 404, 'not_found');
    const { search } = await awaiting();
    await world.sql`UPDATE lethe.call SET state = 'gathered', next_at = NULL WHERE id = ${search.id}`;
    expectProblem(await acknowledge(search.id, 'erased'), 404, 'not_found');
  });
});

describe('a body that is none', () => {
  it.each<[string, { body?: unknown; raw?: string }, string]>([
    ['nothing', {}, 'status'],
    ['another status', { body: { status: 'gone' } }, 'status'],
    ['the id of another task', { body: { status: 'erased', task: randomUUID() } }, 'task'],
    ['a reason without end', { body: { status: 'failed', reason: 'x'.repeat(2_001) } }, 'reason'],
    ['no JSON', { raw: '{' }, 'body'],
  ])('%s is refused, and changes nothing', async (_, content, field) => {
    const { id, search } = await awaiting();
    await accept(search.id);
    const before = await stored(id);
    const answer = await call('POST', `/v1/tasks/${search.id}/ack`, {
      auth: tokenOf(search.id),
      headers: { 'Content-Type': 'application/json' },
      ...content,
    });
    expectProblem(answer, 422, 'invalid_request');
    expect(answer.body.field).toBe(field);
    expect(await stored(id)).toBe(before);
  });

  it('too large is refused', async () => {
    const { search } = await awaiting();
    const answer = await acknowledge(search.id, 'failed', { reason: 'x'.repeat(20_000) });
    expectProblem(answer, 413, 'payload_too_large');
  });

  it('a wrong id is refused before anything else', async () => {
    expectProblem(await acknowledge('7', 'erased'), 422, 'invalid_request');
  });
});

describe('the limit', () => {
  it('of one address, used up by others, stops no acknowledgement; one task has its own', async () => {
    const limited = await world.api({ LETHE_RATE_LIMIT: '20' });
    const { search, billing } = await awaiting();
    const flood = await Promise.all(
      Array.from({ length: 60 }, () => acknowledge(search.id, 'erased', { auth: 'Bearer wrong', to: limited })),
    );
    expect(flood.filter(({ status }) => status === 429).length).toBeGreaterThan(30);
    for (let i = 0; i < 20; i++) await limited('GET', '/v1/erasures', { auth: null });
    expect((await limited('GET', '/v1/erasures', { auth: null })).status).toBe(429);
    const answer = await acknowledge(search.id, 'erased', { to: limited });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('ratelimit-limit')).toBe('20');
    for (let i = 0; i < 19; i++) expect((await acknowledge(search.id, 'erased', { to: limited })).status).toBe(200);
    expectProblem(await acknowledge(search.id, 'erased', { to: limited }), 429, 'rate_limited');
    expect((await acknowledge(billing.id, 'erased', { to: limited })).status).toBe(200);
  });
});
