import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openAsk } from '../../src/canary/ask.ts';
import { beginCycle, msToNext } from '../../src/canary/cycles.ts';
import { eraseLeft } from '../../src/canary/erase-left.ts';
import type { CanaryWork } from '../../src/canary/model.ts';
import { requestErasure } from '../../src/erasure/accept/request.ts';
import type { Context } from '../../src/erasure/model/context.ts';
import { measureBacklog } from '../../src/erasure/progress/measure.ts';
import { measureCanary } from '../../src/erasure/progress/measure-canary.ts';
import { readOverview } from '../../src/erasure/progress/overview.ts';
import { scrubExpired } from '../../src/erasure/upkeep/scrub.ts';
import { startWatchingCanary } from '../../src/jobs/watch-canary.ts';
import { ledger, mails, rowsOf } from '../support/evidence.ts';
import { begin, canaryCatalog, canaryWork, found, moveUntil, PLANTED, wholeCycle } from '../support/test-data.ts';
import { until } from '../support/until.ts';
import { type Call, createWorld, KEYS, type World } from '../support/world.ts';

let world: World;
let call: Call & { base: string };
let ctx: Context;
beforeAll(async () => {
  world = await createWorld({ catalog: canaryCatalog(), env: { CANARY_KEY: KEYS.write } });
  call = await world.api();
  ({ ctx } = await world.domain());
});
afterAll(() => world.close());

const admin = { auth: `Bearer ${KEYS.admin}` };

describe('test data', () => {
  it('is planted by the worker, erased through the API, and found nowhere; nobody is mailed', async () => {
    const worker = await world.worker({ LETHE_CANARY_URL: `${call.base}/` });
    const [row] = await until('a cycle has passed', async () => {
      const rows = await world.sql`SELECT * FROM lethe.canary WHERE finished_at IS NOT NULL`;
      return rows.length > 0 && rows;
    });
    expect(row).toMatchObject({ state: 'passed', findings: [], planted: PLANTED, next_at: null });
    const key = row?.account_key as string;
    expect(await rowsOf(world.sql, key)).toEqual({ sessions: 0, posts: 0, feeds: 0, accounts: 0 });
    expect(await ledger(world.sql, row?.erasure_id)).toEqual({ ...PLANTED, accounts: 1 });
    const [erasure] = await world.sql`SELECT canary, email FROM lethe.erasure WHERE id = ${row?.erasure_id}`;
    expect(erasure).toEqual({ canary: true, email: null });
    const [told] = await world.sql`SELECT count(*)::int AS n FROM lethe.notification`;
    expect(told?.n).toBe(0);
    expect(await mails(world.outbox)).toEqual([]);
    expect((await call('GET', `/v1/erasures/${row?.erasure_id}`, admin)).body.canary).toBe(true);
    expect(
      (await call('GET', `/v1/erasures/${row?.erasure_id}`, { auth: `Bearer ${KEYS.read}` })).body,
    ).not.toHaveProperty('canary');
    expect(await measureCanary(ctx.db)).toEqual({ failing: false, findings: {}, passedAt: expect.any(Number) });
    // The next one is due an hour later.
    await worker.stop();
    expect(await world.sql`SELECT 1 FROM lethe.canary WHERE finished_at IS NULL`).toHaveLength(0);
  });

  it('counts in no number about people, and an account that nobody planted is no test data', async () => {
    const work = canaryWork(ctx, {}, 60_000);
    await begin(work);
    const { accountKey } = await moveUntil(work, world, (c) => c.state === 'planted');
    await world.sql`UPDATE accounts SET created_at = now() WHERE id = ${accountKey}`;
    const numbers = async () => [await measureBacklog(ctx.db), await readOverview(ctx.db)];
    const before = await numbers();
    const [person] = await world.sql`INSERT INTO accounts (email) VALUES ('person@example.com') RETURNING id`;
    // Both are large for it: they stay live.
    await world.sql`UPDATE lethe.canary SET next_at = now() + interval '1 hour' WHERE finished_at IS NULL`;
    const large = { ...ctx, catalog: { ...ctx.catalog, account: { ...ctx.catalog.account, threshold: 1 } } };
    const { erasure } = await requestErasure(large, { accountKey: [accountKey as string], requestedBy: 'account' });
    expect(erasure).toMatchObject({ state: 'scheduled', canary: true, email: null });
    await world.sql`UPDATE lethe.erasure SET due_at = now() - interval '1 hour', starts_at = now() - interval '1 hour'`;
    expect(await numbers()).toEqual(before);
    const { erasure: own } = await requestErasure(ctx, { accountKey: [String(person?.id)], requestedBy: 'account' });
    expect(own).toMatchObject({ canary: false, email: 'person@example.com' });
    // Who undoes it only puts it off: it is asked for again, and the sessions that are gone are counted.
    expect((await call('DELETE', `/v1/erasures/${erasure.id}`, admin)).status).toBe(200);
    const cycle = await moveUntil(work, world, (c) => c.finishedAt !== null);
    expect(found(cycle)).toEqual([]);
    expect(cycle.erasureId).not.toBe(erasure.id);
  });

  it('is asked for in its own Lethe alone: in another one a person has the key, and the request is refused', async () => {
    const [person] = await world.sql`INSERT INTO accounts (email) VALUES ('other@example.com') RETURNING id`;
    const { ask, close } = openAsk(call.base, KEYS.write);
    const signal = new AbortController().signal;
    const id = await begin(canaryWork(ctx));
    const { accountKey } = await moveUntil(canaryWork(ctx), world, (c) => c.state === 'planted');
    const refused = { kind: 'refused', words: expect.stringMatching(/404 .*LETHE_CANARY_URL names another Lethe$/) };
    try {
      // What is planted here and asked for there, and an account here that is not what was planted.
      expect(await ask(String(person?.id), { cycle: randomUUID(), turn: 0 }, signal)).toEqual(refused);
      expect(await ask(String(person?.id), { cycle: id, turn: 0 }, signal)).toEqual(refused);
      expect(await ask(accountKey as string, { cycle: randomUUID(), turn: 0 }, signal)).toEqual(refused);
      const erased =
        await world.sql`SELECT FROM lethe.erasure WHERE account_key IN (${String(person?.id)}, ${accountKey})`;
      expect(erased).toHaveLength(0);
      expect(await ask(accountKey as string, { cycle: id, turn: 0 }, signal)).toMatchObject({ kind: 'accepted' });
    } finally {
      await close();
    }
    expect(found(await moveUntil(canaryWork(ctx), world, (c) => c.finishedAt !== null))).toEqual([]);
  });

  it('is one at a time, whoever looks: two duties plant one account', async () => {
    await world.sql`UPDATE lethe.canary SET created_at = created_at - interval '2 hours'`;
    const before = await world.sql`SELECT id FROM lethe.canary`;
    const times = { leaseMs: 1, askMs: 1, tickMs: 5 };
    const duties = [1, 2, 3].map(() => startWatchingCanary((signal) => canaryWork(ctx, { signal }, 60_000), times));
    try {
      await until('one has passed', async () => {
        const [n] = await world.sql`SELECT count(*)::int AS n FROM lethe.canary WHERE finished_at IS NOT NULL`;
        return n?.n > before.length;
      });
    } finally {
      await Promise.all(duties.map((duty) => duty.stop()));
    }
    expect(await world.sql`SELECT id FROM lethe.canary`).toHaveLength(before.length + 1);
    const planted = await world.sql`SELECT 1 FROM accounts WHERE email LIKE 'canary-%'`;
    expect(planted).toHaveLength(0);
    const erased = await world.sql`SELECT DISTINCT account_key FROM lethe.erasure WHERE canary`;
    expect(erased).toHaveLength(before.length + 1);
  });

  it('is forgotten after the ledger retention, but for the newest; what nobody goes on with is closed', async () => {
    const work = canaryWork(ctx);
    await wholeCycle(work, world);
    await begin(work);
    await world.sql`UPDATE lethe.canary SET created_at = created_at - interval '40 days', next_at = next_at - interval '2 days'`;
    await scrubExpired(ctx);
    const left = await world.sql`SELECT state, findings FROM lethe.canary`;
    expect(left).toEqual([
      { state: 'failed', findings: [{ location: '(cycle)', words: expect.stringMatching(/^nobody went on with it/) }] },
    ]);
    expect(await measureCanary(ctx.db)).toMatchObject({ failing: true, findings: { '(cycle)': 1 }, passedAt: null });
    expect((await world.sql`SELECT 1 FROM lethe.erasure WHERE canary`).length).toBeGreaterThan(2);
  });

  it('that a failed cycle has left is erased before the next; its row stays until then', async () => {
    const refused: CanaryWork['ask'] = async () => ({ kind: 'refused', words: 'no' });
    const left = await wholeCycle(canaryWork(ctx, { ask: refused }), world);
    await world.sql`UPDATE lethe.canary SET created_at = created_at - interval '40 days' WHERE id = ${left.id}`;
    await wholeCycle(canaryWork(ctx), world);
    await scrubExpired(ctx);
    await eraseLeft(canaryWork(ctx, { ask: refused }));
    const row = () => world.sql`SELECT erasure_id FROM lethe.canary WHERE id = ${left.id}`;
    expect(await row()).toEqual([{ erasure_id: null }]);
    await eraseLeft(canaryWork(ctx));
    expect(await row()).toEqual([{ erasure_id: expect.any(String) }]);
    expect(await world.sql`SELECT FROM accounts WHERE id = ${left.accountKey}`).toHaveLength(0);
    await scrubExpired(ctx);
    expect(await row()).toEqual([]);
  });

  it('is marked by who asked, where an API of the version before has accepted it', async () => {
    const work = canaryWork(ctx);
    const old: CanaryWork['ask'] = async (...of) => {
      const asked = await work.ask(...of);
      await world.sql`UPDATE lethe.erasure SET canary = false, email = 'canary@example.com' WHERE account_key = ${of[0]}`;
      return asked;
    };
    const { erasureId } = await wholeCycle({ ...work, ask: old }, world);
    const [erasure] = await world.sql`SELECT canary, email FROM lethe.erasure WHERE id = ${erasureId}`;
    expect(erasure).toEqual({ canary: true, email: null });
  });

  it('waits for no cycle that a clock which was ahead has written for later', async () => {
    const [ahead] = await world.sql`UPDATE lethe.canary SET created_at = now() + interval '1 year'
      WHERE id = (SELECT id FROM lethe.canary ORDER BY created_at DESC LIMIT 1) RETURNING id`;
    await world.sql`UPDATE lethe.canary SET created_at = now() - interval '2 hours' WHERE id <> ${ahead?.id}`;
    expect(await msToNext(ctx.db, 3_600_000)).toBe(0);
    const id = await beginCycle(ctx.db, 3_600_000);
    expect(id).not.toBeNull();
    await world.sql`DELETE FROM lethe.canary WHERE id IN (${ahead?.id}, ${id})`;
  });
});
