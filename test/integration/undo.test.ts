import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startDue } from '../../src/erasure/upkeep/sweep.ts';
import type { Resources } from '../../src/resources.ts';
import { checksum, expectErased, mails, rowsOf } from '../support/evidence.ts';
import { accepted, erasuresOf, everything, expectProblem, isFlagged, SMALL, subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { type Call, createWorld, type World } from '../support/world.ts';

let world: World;
let call: Call;
let domain: Resources;

beforeAll(async () => {
  world = await createWorld({ env: { LETHE_UNDO_WINDOW: '24h' } });
  call = await world.api();
  domain = await world.domain();
});
afterAll(() => world.close());

const undo = (id: string) => call('DELETE', `/v1/erasures/${id}`);
const start = (id: string) => call('POST', `/v1/erasures/${id}/start`);

describe('an undo', () => {
  it('before the start lifts the flag, forgets the address and skips the mail', async () => {
    const { account, bystander, email, before, sum } = await subject(world.sql);
    const { answer, id } = await accepted(call, account);
    expect(Date.parse(String(answer.body.startsAt)) - Date.now()).toBeGreaterThan(23.9 * 3_600_000);
    expect(await erasuresOf(world.sql, account)).toEqual([{ id, state: 'scheduled', email }]);
    expect(await isFlagged(world.sql, account)).toBe(true);

    const undone = await undo(id);
    expect([undone.status, undone.body.state]).toEqual([200, 'cancelled']);
    expect(await erasuresOf(world.sql, account)).toEqual([{ id, state: 'cancelled', email: null }]);
    expect(await isFlagged(world.sql, account)).toBe(false);
    expect(await rowsOf(world.sql, account)).toEqual({ ...before, sessions: 0 });
    expect(await checksum(world.sql, bystander)).toBe(sum);
    const notes = await world.sql`SELECT kind, state FROM lethe.notification WHERE erasure_id = ${id}`;
    expect([...notes]).toEqual([{ kind: 'received', state: 'skipped' }]);
  });

  it('asked for again is answered again, and changes nothing', async () => {
    const { account } = await subject(world.sql);
    const { id } = await accepted(call, account);
    await undo(id);
    const before = await everything(world.sql);
    expect((await undo(id)).body.state).toBe('cancelled');
    expectProblem(await start(id), 409, 'not_live');
    expect(await everything(world.sql)).toBe(before);
  });

  it('asked for again does not lift the flag of a later request', async () => {
    const { account } = await subject(world.sql);
    const first = await accepted(call, account);
    await undo(first.id);
    const second = await accepted(call, account);
    expect(second.id).not.toBe(first.id);
    expect((await undo(first.id)).status).toBe(200);
    expect(await isFlagged(world.sql, account)).toBe(true);
    expect(await erasuresOf(world.sql, account)).toMatchObject([
      { id: first.id, state: 'cancelled' },
      { id: second.id, state: 'scheduled' },
    ]);
  });

  it('after the start is refused and the flag stays', async () => {
    const { account } = await subject(world.sql);
    const { id } = await accepted(call, account, { body: { startNow: true } });
    const before = await everything(world.sql);
    expectProblem(await undo(id), 409, 'already_started');
    expect(await isFlagged(world.sql, account)).toBe(true);
    expect(await everything(world.sql)).toBe(before);
  });

  it('after the end is refused', async () => {
    const { account } = await subject(world.sql, SMALL);
    const { id } = await accepted(call, account);
    expectProblem(await undo(id), 409, 'already_started');
    expect(await erasuresOf(world.sql, account)).toMatchObject([{ id, state: 'completed' }]);
  });

  it('gives way while the application holds the account', async () => {
    const { account } = await subject(world.sql);
    const { id } = await accepted(call, account);
    await world.sql.begin(async (tx) => {
      await tx`SELECT 1 FROM accounts WHERE id = ${account} FOR UPDATE`;
      expectProblem(await undo(id), 503, 'account_busy');
    });
    expect(await erasuresOf(world.sql, account)).toMatchObject([{ id, state: 'scheduled' }]);
    expect((await undo(id)).status).toBe(200);
  });
});

describe('an undo that races', () => {
  /** The state, the flag and the events agree on one winner, which is returned. */
  async function winner(account: string, id: string): Promise<string> {
    const [only, ...others] = await erasuresOf(world.sql, account);
    expect(others).toEqual([]);
    expect(only?.state).toBeOneOf(['cancelled', 'running']);
    expect(await isFlagged(world.sql, account)).toBe(only?.state === 'running');
    const events = await world.sql<{ type: string }[]>`SELECT type FROM lethe.event
      WHERE erasure_id = ${id} AND type IN ('erasure.cancelled', 'erasure.running')`;
    expect(events.map((e) => e.type)).toEqual([`erasure.${only?.state}`]);
    expect(only?.email === null).toBe(only?.state === 'cancelled');
    return only?.state as string;
  }

  it('with a start has exactly one winner, in 30 rounds', async () => {
    for (let round = 0; round < 30; round++) {
      const { account } = await subject(world.sql);
      const { id } = await accepted(call, account);
      const race = round % 2 ? [undo(id), start(id)] : [start(id), undo(id)];
      const answers = await Promise.all(race);
      const [undone, started] = round % 2 ? answers : answers.reverse();
      if (!undone || !started) throw new Error('two answers are expected');
      if ((await winner(account, id)) === 'cancelled') {
        expect([undone.status, undone.body.state]).toEqual([200, 'cancelled']);
        expectProblem(started, 409, 'not_live');
      } else {
        expect([started.status, started.body.state]).toEqual([202, 'running']);
        expectProblem(undone, 409, 'already_started');
      }
    }
  });

  it('with two sweeps has exactly one winner, in 30 rounds', async () => {
    for (let round = 0; round < 30; round++) {
      const { account } = await subject(world.sql);
      const { id } = await accepted(call, account);
      await world.sql`UPDATE lethe.erasure SET starts_at = now() WHERE id = ${id}`;
      const sweep = () => startDue(domain.ctx, async () => {});
      const [undone, ...started] = await Promise.all([undo(id), sweep(), sweep()]);
      const state = await winner(account, id);
      expect(started.reduce((sum, n) => sum + n, 0)).toBe(state === 'running' ? 1 : 0);
      if (state === 'cancelled') expect(undone.status).toBe(200);
      else expectProblem(undone, 409, 'already_started');
    }
  });
});

describe('a request after an undo', () => {
  it('is a new erasure that ends as any other', async () => {
    const { account, bystander, email, before, sum } = await subject(world.sql);
    const first = await accepted(call, account);
    await undo(first.id);
    const second = await accepted(call, account, { body: { startNow: true } });
    expect(second.id).not.toBe(first.id);
    const worker = await world.worker();
    await until(
      'the second is completed',
      async () => (await erasuresOf(world.sql, account))[1]?.state === 'completed',
    );
    await until('its mails are written', async () => (await mails(world.outbox)).filter((m) => m.to === email).length);
    await worker.stop();
    await expectErased(world.sql, account, second.id, { ...before, sessions: 0 });
    expect(await checksum(world.sql, bystander)).toBe(sum);
    const sent = (await mails(world.outbox)).filter((m) => m.to === email);
    for (const mail of sent) expect(mail.text).not.toContain(first.id);
  });
});
