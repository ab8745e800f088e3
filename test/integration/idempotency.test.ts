import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  claimIdempotencyKey,
  idempotencyKeyHash,
  releaseIdempotencyKey,
  requestFingerprint,
} from '../../src/erasure/accept/idempotency.ts';
import { requestErasure } from '../../src/erasure/accept/request.ts';
import type { Resources } from '../../src/resources.ts';
import { rowsOf } from '../support/evidence.ts';
import { erasuresOf, expectProblem, isFlagged, isTooBusy, SMALL, subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { type Call, createWorld, jwt, KEYS, type World } from '../support/world.ts';

let world: World;
let call: Call;
let domain: Resources;
let count = 0;

beforeAll(async () => {
  world = await createWorld();
  call = await world.api();
  domain = await world.domain();
});
afterAll(() => world.close());

const newKey = () => `key-${++count}`;
const ask = (account: string, key: string, body: unknown = {}, auth = `Bearer ${KEYS.write}`) =>
  call('POST', `/v1/accounts/${account}/erasure`, { auth, body, headers: { 'Idempotency-Key': key } });
const stored = async (key: string) => {
  const hash = idempotencyKeyHash('key:writer', key);
  const [row] = await world.sql`SELECT * FROM lethe.idempotency WHERE key_hash = ${hash}`;
  return row;
};

describe('a repeated request', () => {
  it.each([SMALL, 1000])('for %i posts is answered as the first one was, with a working link', async (posts) => {
    const { account } = await subject(world.sql, posts);
    const key = newKey();
    const first = await ask(account, key);
    const second = await ask(account, key);
    expect(second.status).toBe(first.status);
    expect(second.body).toEqual(first.body);
    expect(second.headers.get('location')).toBe(first.headers.get('location'));
    expect(second.headers.has('retry-after')).toBe(first.status === 202);
    const link = new URL(String(second.body.statusUrl));
    const shown = await call('GET', `/v1/erasures/${String(first.body.id)}${link.search}`, { auth: null });
    expect([shown.status, shown.body.id]).toEqual([200, first.body.id]);
    expect(await erasuresOf(world.sql, account)).toHaveLength(1);
    expect(JSON.stringify(await stored(key))).not.toMatch(/token|statusUrl|v1\./);
  });

  it('that comes late cannot undo an undo', async () => {
    const { account, before } = await subject(world.sql);
    const key = newKey();
    const first = await ask(account, key, { startNow: false });
    expect((await call('DELETE', `/v1/erasures/${first.body.id}`)).status).toBe(200);
    await world.sql`INSERT INTO sessions (account_id) VALUES (${account}), (${account})`;
    const late = await ask(account, key, { startNow: false });
    expect(late.status).toBe(202);
    expect(late.body).toEqual(first.body);
    expect(await erasuresOf(world.sql, account)).toMatchObject([{ id: first.body.id, state: 'cancelled' }]);
    expect(await isFlagged(world.sql, account)).toBe(false);
    expect(await rowsOf(world.sql, account)).toEqual(before);

    const fresh = await ask(account, newKey());
    expect(fresh.body.id).not.toBe(first.body.id);
    expect(await isFlagged(world.sql, account)).toBe(true);
  });

  it('with another body or for another account is refused', async () => {
    const [{ account }, second] = [await subject(world.sql), await subject(world.sql)];
    const key = newKey();
    const first = await ask(account, key);
    expectProblem(await ask(account, key, { startNow: true }), 422, 'idempotency_key_reused');
    expectProblem(await ask(second.account, key), 422, 'idempotency_key_reused');
    expect(await erasuresOf(world.sql, account)).toMatchObject([{ id: first.body.id, state: 'scheduled' }]);
    expect(await erasuresOf(world.sql, second.account)).toEqual([]);
    expect(await rowsOf(world.sql, second.account)).toEqual(second.before);
  });

  it('after one that accepted nothing is a first request', async () => {
    const key = newKey();
    expectProblem(await ask('999999999', key), 404, 'not_found');
    const { account } = await subject(world.sql);
    expect((await ask(account, key)).status).toBe(202);
  });

  it('while the first is in flight is refused, and starts nothing', async () => {
    const { account } = await subject(world.sql);
    const key = newKey();
    const first = await world.sql.begin(async (tx) => {
      await tx`SELECT 1 FROM accounts WHERE id = ${account} FOR UPDATE`;
      const pending = ask(account, key);
      await until('the first holds the key', () => stored(key));
      const second = await ask(account, key);
      expectProblem(second, 409, 'idempotency_key_in_flight');
      expect(second.headers.get('retry-after')).toBe('2');
      expectProblem(await ask(account, key, { startNow: true }), 422, 'idempotency_key_reused');
      return { pending };
    });
    expect((await first.pending).status).toBe(202);
    expect(await erasuresOf(world.sql, account)).toHaveLength(1);
  });

  it('gives the key back when the application holds the account too long', async () => {
    const { account, before } = await subject(world.sql);
    const key = newKey();
    await world.sql.begin(async (tx) => {
      await tx`SELECT 1 FROM accounts WHERE id = ${account} FOR UPDATE`;
      const busy = await ask(account, key);
      expectProblem(busy, 503, 'account_busy');
      expect(busy.headers.get('retry-after')).toBe('2');
    });
    expect(await rowsOf(world.sql, account)).toEqual(before);
    expect(await stored(key)).toBeUndefined();
    expect((await ask(account, key)).status).toBe(202);
  });

  it.each([SMALL, 1000])('sent 30 times at once for %i posts is one erasure', async (posts) => {
    const { account } = await subject(world.sql, posts);
    const key = newKey();
    // Whoever was not in time on a busy machine has given the key back, and asks again.
    const inTime = () =>
      until('it is in time', async () => {
        const answer = await ask(account, key);
        return isTooBusy(answer) ? null : answer;
      });
    const answers = await Promise.all(Array.from({ length: 30 }, inTime));
    const [only, ...others] = await erasuresOf(world.sql, account);
    expect(others).toEqual([]);
    const refused = answers.filter((a) => a.status === 409);
    for (const answer of refused) expectProblem(answer, 409, 'idempotency_key_in_flight');
    const answered = answers.filter((a) => a.status !== 409);
    expect(answered.length).toBeGreaterThan(0);
    for (const answer of answered) expect(answer.body).toEqual(answered[0]?.body);
    expect(answered[0]?.body.id).toBe(only?.id);
  });
});

describe('a claim', () => {
  it('that was given by one request is held by it, also while another gives the key back, in 300 rounds', async () => {
    const { db } = domain.ctx;
    for (let round = 0; round < 300; round++) {
      const hash = idempotencyKeyHash('key:writer', newKey());
      await claimIdempotencyKey(db, hash, 'same');
      const [second] = await Promise.allSettled([
        claimIdempotencyKey(db, hash, 'same'),
        releaseIdempotencyKey(db, hash),
      ]);
      if (second.status === 'rejected') expect(second.reason).toMatchObject({ code: 'idempotency_key_in_flight' });
      const rows = await world.sql`SELECT 1 FROM lethe.idempotency WHERE key_hash = ${hash}`;
      expect(rows).toHaveLength(second.status === 'fulfilled' ? 1 : 0);
    }
  });
});

describe('the same key', () => {
  it('of another API key is another key', async () => {
    const [a, b] = [await subject(world.sql), await subject(world.sql)];
    const key = newKey();
    const first = await ask(a.account, key);
    const second = await ask(b.account, key, {}, `Bearer ${KEYS.admin}`);
    expect([first.status, second.status]).toEqual([202, 202]);
    expect(second.body.accountId).toBe(b.account);
  });

  it('of another account is another key', async () => {
    const [a, b] = [await subject(world.sql), await subject(world.sql)];
    const key = newKey();
    const first = await ask(a.account, key, {}, await jwt({ sub: a.account }));
    const second = await ask(b.account, key, {}, await jwt({ sub: b.account }));
    expect([first.body.accountId, second.body.accountId]).toEqual([a.account, b.account]);
    const again = await ask(b.account, key, {}, await jwt({ sub: `0${b.account}` }));
    expect(again.body).toEqual(second.body);
  });
});

describe('a request whose process died', () => {
  /** What that process had done: claimed the key and, where `commits`, accepted the erasure. */
  async function die(account: string, key: string, body: unknown, commits: boolean): Promise<string | undefined> {
    const hash = idempotencyKeyHash('key:writer', key);
    const claimed = await claimIdempotencyKey(domain.ctx.db, hash, requestFingerprint('POST', account, body));
    expect(claimed).toEqual({ kind: 'fresh' });
    if (!commits) return undefined;
    const request = { accountKey: [account], requestedBy: 'key:writer', idempotencyKeyHash: hash };
    return (await requestErasure(domain.ctx, request)).erasure.id;
  }
  const expire = (key: string) => world.sql`
    UPDATE lethe.idempotency SET locked_at = now() - interval '31 seconds'
     WHERE key_hash = ${idempotencyKeyHash('key:writer', key)}`;

  it('before it accepted anything is taken over after 30 seconds, by one', async () => {
    const { account, before } = await subject(world.sql);
    const key = newKey();
    await die(account, key, {}, false);
    expectProblem(await ask(account, key), 409, 'idempotency_key_in_flight');
    expect(await rowsOf(world.sql, account)).toEqual(before);
    await expire(key);
    expectProblem(await ask(account, key, { startNow: true }), 422, 'idempotency_key_reused');
    const answers = await Promise.all(Array.from({ length: 10 }, () => ask(account, key)));
    expect(new Set(answers.map((a) => a.status))).not.toContain(500);
    expect(await erasuresOf(world.sql, account)).toHaveLength(1);
    expect((await ask(account, key)).status).toBe(202);
  });

  it.each([
    [{}, 'scheduled'],
    [{ startNow: true }, 'running'],
  ])('after it had accepted %j is answered with that erasure, %s', async (body, state) => {
    const { account } = await subject(world.sql);
    const key = newKey();
    const id = await die(account, key, body, true);
    expectProblem(await ask(account, key, body), 409, 'idempotency_key_in_flight');
    await expire(key);
    const retried = await ask(account, key, body);
    expect(retried.status).toBe(202);
    expect(retried.body).toMatchObject({ id, state, statusUrl: expect.stringContaining(`${id}?token=`) });
    expect(await erasuresOf(world.sql, account)).toMatchObject([{ id, state }]);
  });

  it('after it had accepted what was undone since starts nothing', async () => {
    const { account } = await subject(world.sql);
    const key = newKey();
    const id = await die(account, key, { startNow: true }, true);
    expect((await call('DELETE', `/v1/erasures/${id}`)).status).toBe(200);
    await expire(key);
    const retried = await ask(account, key, { startNow: true });
    expect(retried.body).toMatchObject({ id, state: 'cancelled' });
    expect(await erasuresOf(world.sql, account)).toMatchObject([{ id, state: 'cancelled' }]);
    expect(await isFlagged(world.sql, account)).toBe(false);
  });
});
