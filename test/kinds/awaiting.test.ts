import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { replayErasure } from '../../src/erasure/accept/replay.ts';
import { requestErasure } from '../../src/erasure/accept/request.ts';
import { eraseNow } from '../../src/erasure/accept/start.ts';
import { holdErasure, releaseErasure } from '../../src/erasure/model/hold.ts';
import { readHistory } from '../../src/erasure/progress/history.ts';
import { look } from '../../src/erasure/progress/look.ts';
import { acknowledgeTask } from '../../src/erasure/steps/acknowledge.ts';
import { dispatchLost } from '../../src/erasure/upkeep/lost-steps.ts';
import type { Carrier, Kind } from '../../src/locations/kind.ts';
import { checksum, ledger, rowsOf } from '../support/evidence.ts';
import { findNotification } from '../support/notifications.ts';
import { begin } from '../support/run-by-hand.ts';
import { everything, LARGE, SMALL, subject } from '../support/subject.ts';
import { advance, goOn, runChunk } from './drive.ts';
import { readTask } from './evidence.ts';
import { ELSEWHERE, late, lateSubject, withLate } from './late.ts';
import { openPlace, type Place } from './subject.ts';

const RECORDS = 30;
const GONE = { sessions: 0, posts: 0, feeds: 0, accounts: 0 };
const LATE = lateSubject();

let place: Place;

beforeAll(async () => {
  place = await openPlace('a system that answers late', LATE);
});
afterAll(() => place.world.close());

const answer = (id: string) => acknowledgeTask(place.ctx, id, ELSEWHERE);
const recordsOf = async (account: string) => (await LATE.count(place.sql, account))[ELSEWHERE];
const taskOf = async (id: string) => (await readTask(place.sql, id, ELSEWHERE)).state;
const isMailed = async (id: string) => (await findNotification(place.sql, id, 'completed')) !== undefined;
/** Its state, and whether a step is out. */
async function seen(id: string): Promise<{ state: string; out: boolean }> {
  const [row] = await place.sql<{ state: string; out: boolean }[]>`
    SELECT state, dispatched_at IS NOT NULL AS out FROM lethe.erasure WHERE id = ${id}`;
  return row as { state: string; out: boolean };
}

/** An account with rows in tables and records elsewhere, and a bystander. */
async function present(posts = SMALL, records = RECORDS) {
  const s = await subject(place.sql, posts);
  await LATE.add(place.sql, [s.account, s.bystander], records);
  return s;
}

/** Asked and not answered. */
async function asked(records = RECORDS) {
  const s = await present(SMALL, records);
  const id = await begin(place.ctx, s.account);
  expect(await goOn(place, id)).toBe('awaiting');
  return { ...s, id };
}

async function expectCompleted({ id, account, before }: { id: string; account: string; before: object }, more = 0) {
  expect(await seen(id)).toMatchObject({ state: 'completed' });
  expect(await rowsOf(place.sql, account)).toEqual(GONE);
  expect(await recordsOf(account)).toBe(0);
  expect(await ledger(place.sql, id)).toEqual({ ...before, [ELSEWHERE]: RECORDS + more });
  expect(await isMailed(id)).toBe(true);
}

/** Erased by the request itself, after it has been accepted. */
async function inTheRequest(account: string): Promise<string> {
  const request = { accountKey: [account], requestedBy: 'test' };
  const { erasure } = await requestErasure(place.ctx, request, { eraseSmall: true });
  expect(erasure.state).toBe('running');
  expect((await eraseNow(place.ctx, erasure))?.step).toBe(1);
  return erasure.id;
}

/** Goes on to where the account is gone. */
async function untilAccountGone(account: string): Promise<string> {
  const id = await begin(place.ctx, account);
  for (let steps = 0; steps < 20 && (await seen(id)).state === 'running'; steps++) {
    const next = await advance(place, id);
    expect(await recordsOf(account)).toBe(RECORDS);
    if (next.kind === 'dispatch') await goOnWith(next.dispatch.chunks);
  }
  return id;
}

async function goOnWith(chunks: readonly { id: number }[]): Promise<void> {
  for (const { id } of chunks) await runChunk(place, id);
}

describe('an account whose data is also elsewhere', () => {
  it.each([
    ['inside the request', SMALL, inTheRequest],
    ['by the last transaction alone', LARGE / 4, untilAccountGone],
    ['after a plan', LARGE, untilAccountGone],
  ])('is erased %s, and awaits the answer before it is completed', async (_how, posts, erase) => {
    const s = await present(posts);
    const sums = [s.sum, await LATE.checksum(place.sql, s.bystander)];
    const id = await erase(s.account);
    // Nobody outside is told before the account is gone.
    expect(await seen(id)).toEqual({ state: 'awaiting', out: true });
    expect([await rowsOf(place.sql, s.account), await recordsOf(s.account)]).toEqual([GONE, RECORDS]);
    expect(await taskOf(id)).toBe('pending');
    expect(await goOn(place, id)).toBe('awaiting');
    expect([await recordsOf(s.account), await taskOf(id), await isMailed(id)]).toEqual([0, 'awaiting', false]);
    expect(await seen(id)).toEqual({ state: 'awaiting', out: false });
    expect((await answer(id))?.erasureId).toBe(id);
    expect(await isMailed(id)).toBe(false);
    expect(await goOn(place, id)).toBe('completed');
    await expectCompleted({ ...s, id });
    expect([await checksum(place.sql, s.bystander), await LATE.checksum(place.sql, s.bystander)]).toEqual(sums);
    const types = (await readHistory(place.ctx.db, id)).map(({ type }) => type);
    expect(types.slice(-4)).toEqual(['account.erased', 'erasure.awaiting', 'task.acknowledged', 'erasure.completed']);
  });

  it('is shown as it is while it awaits', async () => {
    const { id, before } = await asked();
    const shown = await look(place.ctx, id);
    expect(shown?.erasure).toMatchObject({ state: 'awaiting', completedAt: null });
    expect(shown?.progress).toMatchObject({ percent: expect.any(Number), etaSeconds: null });
    expect(shown?.progress.percent).toBeLessThan(100);
    expect(shown?.progress.rowsDeleted).toBe(Object.values(before).reduce((a, b) => a + b, RECORDS));
    expect(shown?.progress.locations.find(({ name }) => name === ELSEWHERE)).toMatchObject({
      kind: 'late',
      owner: 'partner',
      state: 'awaiting',
      rowsDeleted: RECORDS,
      rowsPlanned: RECORDS,
    });
  });
});

describe('an answer', () => {
  it('that comes before anything was asked changes nothing', async () => {
    const s = await present(LARGE);
    const id = await begin(place.ctx, s.account);
    const was = await everything(place.sql);
    expect(await answer(id)).toBeNull();
    expect(await everything(place.sql)).toBe(was);
    expect(await goOn(place, id)).toBe('awaiting');
    await answer(id);
    expect(await goOn(place, id)).toBe('completed');
    await expectCompleted({ ...s, id });
  });

  it('for a task or an erasure that nobody knows changes nothing', async () => {
    const { id } = await asked();
    const was = await everything(place.sql);
    expect(await acknowledgeTask(place.ctx, id, 'nowhere')).toBeNull();
    expect(await acknowledgeTask(place.ctx, id, 'posts')).toBeNull();
    expect(await answer('00000000-0000-7000-8000-000000000000')).toBeNull();
    expect(await everything(place.sql)).toBe(was);
  });

  it('that comes twice, also side by side, begins one step', async () => {
    const s = await asked();
    const steps = await Promise.all([answer(s.id), answer(s.id), answer(s.id)]);
    expect(steps.filter(Boolean).length).toBe(1);
    expect(await answer(s.id)).toBeNull();
    expect(await goOn(place, s.id)).toBe('completed');
    expect(await answer(s.id)).toBeNull();
    await expectCompleted(s);
  });

  it('that comes while the step decides to wait never leaves the erasure without a step', async () => {
    for (let round = 0; round < 40; round++) {
      const { account } = await present(2, 1);
      const id = await untilTold(account);
      const later = <T>(ms: number, work: () => Promise<T>) =>
        new Promise<void>((resolve) => setTimeout(resolve, ms)).then(work);
      // Each of them first, by a little more in each round.
      const lead = round - 20;
      await Promise.all([
        later(Math.max(0, lead), () => answer(id)),
        later(Math.max(0, -lead), () => advance(place, id)),
      ]);
      const { state, out } = await seen(id);
      expect([await taskOf(id), state === 'completed' || out], `round ${round}`).toEqual(['done', true]);
      if (state !== 'completed') expect(await goOn(place, id)).toBe('completed');
    }
    // Forty erasures, one after the other.
  }, 400_000);

  it('whose step is lost is found by reconcile, which leaves alone what only awaits', async () => {
    const s = await asked();
    const sent: string[] = [];
    const queues = { isLive: async () => false, enqueue: async (d: { erasureId: string }) => sent.push(d.erasureId) };
    await dispatchLost(place.ctx, queues);
    expect(sent).not.toContain(s.id);
    await answer(s.id);
    await place.sql`UPDATE lethe.erasure SET dispatched_at = dispatched_at - interval '1 minute' WHERE id = ${s.id}`;
    await dispatchLost(place.ctx, queues);
    expect(sent).toContain(s.id);
    expect(await goOn(place, s.id)).toBe('completed');
    await expectCompleted(s);
  });
});

/** The other system was told, and the step that would wait for its answer is out. */
async function untilTold(account: string): Promise<string> {
  const id = await begin(place.ctx, account);
  for (let steps = 0; steps < 20; steps++) {
    const next = await advance(place, id);
    if (next.kind === 'dispatch') await goOnWith(next.dispatch.chunks);
    if ((await taskOf(id)) === 'awaiting') return id;
  }
  throw new Error('nobody was told');
}

describe('what is found after the answer', () => {
  it('gets another pass, which is answered anew', async () => {
    const s = await asked();
    await LATE.add(place.sql, [s.account], 2);
    await answer(s.id);
    expect(await goOn(place, s.id)).toBe('awaiting');
    expect([await taskOf(s.id), await recordsOf(s.account)]).toEqual(['awaiting', 0]);
    await answer(s.id);
    expect(await goOn(place, s.id)).toBe('completed');
    await expectCompleted(s, 2);
    const passes = (await readHistory(place.ctx.db, s.id)).filter(({ type }) => type === 'pass.started');
    expect(passes.map(({ data }) => data)).toEqual([{ pass: 2, locations: [ELSEWHERE] }]);
  });

  it('each time stalls the erasure, and a replay does not complete it while something is there', async () => {
    const s = await asked();
    let added = 0;
    let ended = 'awaiting';
    while (ended === 'awaiting' && added < 10) {
      await LATE.add(place.sql, [s.account], 1);
      added += 1;
      await answer(s.id);
      ended = await goOn(place, s.id);
    }
    expect([ended, added, await recordsOf(s.account)]).toEqual(['stalled', 6, 1]);
    await replayErasure(place.ctx, s.id, 'key:ops');
    expect(await goOn(place, s.id)).toBe('awaiting');
    expect(await isMailed(s.id)).toBe(false);
    await answer(s.id);
    expect(await goOn(place, s.id)).toBe('completed');
    await expectCompleted(s, added);
  });
});

describe('a failure for good elsewhere', () => {
  it('stalls the erasure at once and at its task; the mail waits for the replay', async () => {
    const s = await present();
    const id = await begin(place.ctx, s.account);
    const mend = await LATE.obstruct(place.sql, s.account);
    expect(await goOn(place, id)).toBe('stalled');
    await mend();
    expect([await rowsOf(place.sql, s.account), await taskOf(id), await isMailed(id)]).toEqual([GONE, 'failed', false]);
    await replayErasure(place.ctx, id, 'key:ops');
    expect(await goOn(place, id)).toBe('awaiting');
    await answer(id);
    expect(await goOn(place, id)).toBe('completed');
    await expectCompleted({ ...s, id });
  });
});

it('a step that works forgets how often the ones before it have failed', async () => {
  const { id } = await asked();
  await place.sql`UPDATE lethe.erasure SET failures = 19 WHERE id = ${id}`;
  await answer(id);
  expect(await goOn(place, id)).toBe('completed');
  expect(await place.sql`SELECT failures FROM lethe.erasure WHERE id = ${id}`).toEqual([{ failures: 0 }]);
});

describe('a hold while an answer is awaited', () => {
  it('keeps a step from being taken, and the release takes it', async () => {
    const s = await asked();
    await answer(s.id);
    await holdErasure(place.ctx, s.id, 'key:ops', 'a court asks');
    expect((await advance(place, s.id)).kind).toBe('superseded');
    expect((await releaseErasure(place.ctx, s.id, 'key:ops')).dispatch?.erasureId).toBe(s.id);
    expect(await goOn(place, s.id)).toBe('completed');
    await expectCompleted(s);
  });

  it('takes the answer all the same, and the release goes on from there', async () => {
    const s = await asked();
    await holdErasure(place.ctx, s.id, 'key:ops', 'a court asks');
    expect(await answer(s.id)).toBeNull();
    expect([await taskOf(s.id), await seen(s.id)]).toEqual(['done', { state: 'awaiting', out: true }]);
    expect((await releaseErasure(place.ctx, s.id, 'key:ops')).dispatch?.erasureId).toBe(s.id);
    expect(await goOn(place, s.id)).toBe('completed');
    await expectCompleted(s);
  });

  it('that is released before the answer changes nothing', async () => {
    const s = await asked();
    await holdErasure(place.ctx, s.id, 'key:ops', 'a court asks');
    expect((await releaseErasure(place.ctx, s.id, 'key:ops')).dispatch).toBeNull();
    await answer(s.id);
    expect(await goOn(place, s.id)).toBe('completed');
    await expectCompleted(s);
  });

  it('that comes with the proof keeps it from being completed', async () => {
    const s = await asked();
    await answer(s.id);
    const whole = late.outcomes.delete as Carrier;
    const prove: Carrier['prove'] = async (...of) => {
      await holdErasure(place.ctx, s.id, 'key:ops', 'a court asks');
      return whole.prove(...of);
    };
    const kind: Kind = { ...late, outcomes: { ...late.outcomes, delete: { ...whole, prove } } };
    expect((await advance({ ctx: { ...place.ctx, kinds: withLate(place.ctx, kind).kinds } }, s.id)).kind).toBe(
      'superseded',
    );
    expect([await seen(s.id), await isMailed(s.id)]).toEqual([{ state: 'awaiting', out: true }, false]);
    expect((await releaseErasure(place.ctx, s.id, 'key:ops')).dispatch?.erasureId).toBe(s.id);
    expect(await goOn(place, s.id)).toBe('completed');
    await expectCompleted(s);
  });
});

const goneAndNotAsked = async () => {
  const { account } = await present();
  return { account, id: await untilAccountGone(account) };
};

it.each([
  ['before anything was asked', goneAndNotAsked],
  ['with the answer', asked],
])('somebody new who has the key %s keeps their data', async (_when, gone) => {
  const { id, account } = await gone();
  await place.sql`INSERT INTO accounts (id, email) OVERRIDING SYSTEM VALUE VALUES (${account}, ${`new-${account}@example.com`})`;
  await LATE.add(place.sql, [account], 3);
  const sum = await LATE.checksum(place.sql, account);
  await answer(id);
  expect(await goOn(place, id)).toBe('cancelled');
  expect(await LATE.checksum(place.sql, account)).toBe(sum);
});

it('a retained task keeps its state, and does not keep the erasure from being completed', async () => {
  const s = await present();
  const id = await begin(place.ctx, s.account);
  await place.sql`UPDATE lethe.task SET state = 'retained' WHERE erasure_id = ${id} AND location = 'feeds'`;
  expect(await goOn(place, id)).toBe('awaiting');
  expect((await readTask(place.sql, id, 'feeds')).state).toBe('retained');
  await answer(id);
  expect(await goOn(place, id)).toBe('completed');
  const states = await place.sql`SELECT location, state FROM lethe.task WHERE erasure_id = ${id} ORDER BY location`;
  expect(Object.fromEntries(states.map(({ location, state }) => [location, state]))).toEqual({
    accounts: 'done',
    [ELSEWHERE]: 'done',
    feeds: 'retained',
    posts: 'done',
    sessions: 'done',
  });
  expect(await isMailed(id)).toBe(true);
});
