import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checksum, expectErased, rowsOf } from '../support/evidence.ts';
import {
  accepted,
  erasuresOf,
  everything,
  expectProblem,
  isFlagged,
  LARGE,
  SMALL,
  subject,
} from '../support/subject.ts';
import { until } from '../support/until.ts';
import { type Call, createWorld, KEYS, type World } from '../support/world.ts';

let world: World;
let call: Call;
const ADMIN = { auth: `Bearer ${KEYS.admin}` };
const ISO = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const UUID = expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/);

beforeAll(async () => {
  world = await createWorld();
  call = await world.api();
});
afterAll(() => world.close());

describe('a request', () => {
  it('for a small account answers 200, completed', async () => {
    const { account, bystander, before, sum } = await subject(world.sql, SMALL);
    const { answer, id } = await accepted(call, account);
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({
      id: UUID,
      accountId: account,
      state: 'completed',
      signingOut: false,
      mode: 'immediate',
      requestedAt: ISO,
      startsAt: ISO,
      dueAt: ISO,
      completedAt: ISO,
      statusUrl: expect.stringContaining(`http://lethe.test/status/${id}?token=v1.`),
    });
    await expectErased(world.sql, account, id, before);
    expect(await checksum(world.sql, bystander)).toBe(sum);
  });

  it('for a large account answers 202, scheduled, and deletes nothing but the sessions', async () => {
    const { account, bystander, before, sum } = await subject(world.sql);
    const { answer, id } = await accepted(call, account);
    expect(answer.status).toBe(202);
    expect(answer.headers.get('location')).toBe(`/v1/erasures/${id}`);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    const wait = (Date.parse(String(answer.body.startsAt)) - Date.now()) / 1000;
    expect(Math.abs(Number(answer.headers.get('retry-after')) - Math.max(2, wait))).toBeLessThan(3);
    expect(answer.body).toMatchObject({ state: 'scheduled', mode: 'scheduled', startsAt: ISO, dueAt: ISO });
    const days = (Date.parse(String(answer.body.dueAt)) - Date.parse(String(answer.body.requestedAt))) / 86_400_000;
    expect(days).toBe(30);
    expect(await rowsOf(world.sql, account)).toEqual({ ...before, sessions: 0 });
    expect(await isFlagged(world.sql, account)).toBe(true);
    expect(await checksum(world.sql, bystander)).toBe(sum);
  });

  it('asked again gives the live erasure, and startNow starts it', async () => {
    const { account } = await subject(world.sql);
    const { id } = await accepted(call, account);
    const again = await accepted(call, account);
    expect(again.answer.status).toBe(202);
    expect([again.id, again.answer.body.state]).toEqual([id, 'scheduled']);
    const now = await accepted(call, account, { body: { startNow: true } });
    expect([now.id, now.answer.body.state]).toEqual([id, 'running']);
    expect(await erasuresOf(world.sql, account)).toMatchObject([{ id, state: 'running' }]);
  });

  it('asked again while the application has locked the account gives the live erasure', async () => {
    const { account } = await subject(world.sql);
    const { id } = await accepted(call, account);
    await world.sql.begin(async (tx) => {
      await tx`SELECT 1 FROM accounts WHERE id = ${account} FOR UPDATE`;
      const again = await accepted(call, account);
      expect([again.id, again.answer.body.state]).toEqual([id, 'scheduled']);
    });
  });

  it('asked again gives the finished erasure until it is scrubbed', async () => {
    const { account } = await subject(world.sql, SMALL);
    const { id } = await accepted(call, account);
    const again = await accepted(call, account);
    expect([again.answer.status, again.id, again.answer.body.state]).toEqual([200, id, 'completed']);
    await world.sql`UPDATE lethe.erasure SET account_key = NULL, scrubbed_at = now() WHERE id = ${id}`;
    expectProblem(await call('POST', `/v1/accounts/${account}/erasure`, { body: {} }), 404, 'not_found');
    const shown = await call('GET', `/v1/erasures/${id}`, ADMIN);
    expect(shown.body).toMatchObject({ id, accountId: null, state: 'completed' });
    expectProblem(await call('DELETE', `/v1/erasures/${id}`, ADMIN), 409, 'already_started');
  });

  it.each([SMALL, LARGE])('sent 20 times at once for %i posts is one erasure that all answers name', async (posts) => {
    const { account, bystander, sum } = await subject(world.sql, posts);
    const answers = await Promise.all(Array.from({ length: 20 }, () => accepted(call, account)));
    const [only, ...others] = await erasuresOf(world.sql, account);
    expect(others).toEqual([]);
    expect(new Set(answers.map((a) => a.id))).toEqual(new Set([only?.id]));
    const [requested] = await world.sql`
      SELECT count(*)::int AS n FROM lethe.event WHERE erasure_id = ${String(only?.id)} AND type = 'erasure.requested'`;
    expect(requested?.n).toBe(1);
    expect(await checksum(world.sql, bystander)).toBe(sum);
  });

  it('that cannot be recorded signs nobody out and flags nobody', async () => {
    const { account } = await subject(world.sql);
    await world.sql.unsafe(`
      CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'kept-secret-text'; END $$;
      CREATE TRIGGER refuse BEFORE INSERT ON lethe.event FOR EACH ROW
        WHEN (NEW.type = 'location.erased_at_request') EXECUTE FUNCTION refuse()`);
    try {
      const before = await everything(world.sql);
      const refused = await call('POST', `/v1/accounts/${account}/erasure`, { body: {} });
      expectProblem(refused, 500, 'database_error');
      expect(JSON.stringify(refused.body)).not.toMatch(/kept-secret|lethe\.event|P0001|insert/i);
      expect(await everything(world.sql)).toBe(before);
      expect(await isFlagged(world.sql, account)).toBe(false);
      expect((await rowsOf(world.sql, account)).sessions).toBe(2);
    } finally {
      await world.sql.unsafe('DROP TRIGGER refuse ON lethe.event; DROP FUNCTION refuse()');
    }
    expect((await accepted(call, account)).answer.status).toBe(202);
    expect((await rowsOf(world.sql, account)).sessions).toBe(0);
  });
});

describe('the status resource', () => {
  it('shows the erasure and every location, before, during and after', async () => {
    const { account, before } = await subject(world.sql);
    const { id } = await accepted(call, account);
    const location = (name: string, owner: string, state: string, rowsDeleted: number, rowsPlanned: unknown) => ({
      name,
      owner,
      state,
      rowsDeleted,
      rowsPlanned,
      lastError: null,
    });
    const shown = await call('GET', `/v1/erasures/${id}`, ADMIN);
    expect(shown.status).toBe(200);
    expect(shown.headers.get('retry-after')).toBe('30');
    expect(shown.body).toEqual({
      id,
      accountId: account,
      state: 'scheduled',
      signingOut: false,
      mode: 'scheduled',
      requestedAt: ISO,
      startsAt: ISO,
      startedAt: null,
      dueAt: ISO,
      completedAt: null,
      retryAt: null,
      newerAccountAt: null,
      held: null,
      progress: {
        rowsDeleted: 2,
        rowsPlanned: null,
        percent: null,
        etaSeconds: null,
        locations: expect.arrayContaining([
          location('sessions', 'identity', 'pending', 2, null),
          location('posts', 'reader', 'pending', 0, null),
          location('feeds', 'reader', 'pending', 0, null),
          location('accounts', 'lethe', 'pending', 0, 1),
        ]),
      },
    });
    const started = await call('POST', `/v1/erasures/${id}/start`);
    expect(started.status).toBe(202);
    expect(started.body).toMatchObject({ state: 'running', startedAt: ISO, completedAt: null });
    const again = await call('POST', `/v1/erasures/${id}/start`);
    expect([again.status, again.body.state]).toEqual([202, 'running']);

    const worker = await world.worker();
    const done = await until('the erasure is completed', async () => {
      const now = await call('GET', `/v1/erasures/${id}`, ADMIN);
      return now.body.state === 'completed' && now;
    });
    await worker.stop();
    expect(done.headers.get('retry-after')).toBeNull();
    expect(done.body).toMatchObject({ completedAt: ISO, progress: { percent: 100, etaSeconds: 0, rowsDeleted: 1006 } });
    await expectErased(world.sql, account, id, before);
    expectProblem(await call('POST', `/v1/erasures/${id}/start`), 409, 'not_live');
  });

  it.each(['GET', 'DELETE'])('answers %s for an unknown id 404 and for a malformed one 422', async (method) => {
    expectProblem(await call(method, '/v1/erasures/018f0000-0000-7000-8000-000000000000', ADMIN), 404, 'not_found');
    const malformed = await call(method, '/v1/erasures/1%20OR%201=1', ADMIN);
    expectProblem(malformed, 422, 'invalid_request');
    expect(malformed.body.field).toBe('id');
  });
});

describe('replay', () => {
  it('runs what is unfinished of a stalled erasure, and refuses any other', async () => {
    const { account, bystander, before, sum } = await subject(world.sql);
    const { id } = await accepted(call, account);
    const path = `/v1/erasures/${id}/replay`;
    expectProblem(await call('POST', path, ADMIN), 409, 'not_replayable');
    await world.sql`UPDATE lethe.erasure SET state = 'stalled', started_at = now() WHERE id = ${id}`;
    await world.sql`UPDATE lethe.task SET state = 'failed', last_error = 'chunk_exhausted: no progress'
      WHERE erasure_id = ${id} AND location = 'posts'`;
    const stalled = await call('GET', `/v1/erasures/${id}`, ADMIN);
    expect(JSON.stringify(stalled.body.progress)).toContain('chunk_exhausted: no progress');
    expectProblem(await call('POST', path), 403, 'forbidden');
    expect(await erasuresOf(world.sql, account)).toMatchObject([{ id, state: 'stalled' }]);

    const replayed = await call('POST', path, ADMIN);
    expect([replayed.status, replayed.body.state]).toEqual([202, 'running']);
    expect(JSON.stringify(replayed.body.progress)).not.toContain('chunk_exhausted');
    const worker = await world.worker();
    await until(
      'the erasure is completed',
      async () => (await erasuresOf(world.sql, account))[0]?.state === 'completed',
    );
    await worker.stop();
    await expectErased(world.sql, account, id, before);
    expect(await checksum(world.sql, bystander)).toBe(sum);
  });
});

describe('the application', () => {
  it('says that it is alive and ready', async () => {
    const alive = await call('GET', '/healthz', { auth: null });
    expect([alive.status, alive.body]).toEqual([200, { status: 'ok' }]);
    const ready = await call('GET', '/readyz', { auth: null });
    expect(ready.status).toBe(200);
    expect(ready.body).toEqual({ status: 'ok', postgres: 'ok', migrations: 'ok', redis: 'ok', catalog: 'ok' });
  });

  it('sends secure headers and a request id with every answer', async () => {
    const { headers } = await call('GET', '/healthz', { auth: null, headers: { 'X-Request-Id': 'from-the-proxy-1' } });
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('x-frame-options')).toBe('DENY');
    expect(headers.get('referrer-policy')).toBe('no-referrer');
    expect(headers.get('x-powered-by')).toBeNull();
    expect(headers.get('x-request-id')).toBe('from-the-proxy-1');
    const forged = await call('GET', '/nowhere', { headers: { 'X-Request-Id': `<script>${'x'.repeat(100)}` } });
    expect(forged.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  });

  it.each([
    ['GET', '/'],
    ['GET', '/v1'],
    ['PUT', '/v1/accounts/1/erasure'],
    ['GET', '/v1/accounts/1/erasure'],
    ['GET', '/v1/accounts'],
    ['PATCH', '/v1/erasures/018f0000-0000-7000-8000-000000000000'],
    ['GET', '/../etc/passwd'],
  ])('answers %s %s with a problem', async (method, path) => {
    expectProblem(await call(method, path), 404, 'not_found');
  });

  it('answers an unknown account 404', async () => {
    const before = await everything(world.sql);
    expectProblem(await call('POST', '/v1/accounts/999999999/erasure', { body: {} }), 404, 'not_found');
    expect(await everything(world.sql)).toBe(before);
  });
});
