import { expect } from 'vitest';
import { checksum, expectErased, mails } from './evidence.ts';
import { notificationIn } from './notifications.ts';
import { stateOf } from './progress.ts';
import { subject } from './subject.ts';
import { until } from './until.ts';
import type { Call, World } from './world.ts';

/** Asks for an erasure that starts at once. `expectDone`: complete, counted once, one mail of each kind, nobody else touched. */
export async function beginErasure(world: World, call: Call, posts: number) {
  return beginErasureOf(world, call, await subject(world.sql, posts, 30));
}

/** The same for a subject that is there already: to load the rows takes longer than some of what goes on meanwhile. */
export async function beginErasureOf(world: World, call: Call, given: Awaited<ReturnType<typeof subject>>) {
  const { account, bystander, email, before, sum } = given;
  const { status, body } = await call('POST', `/v1/accounts/${account}/erasure`, { body: { startNow: true } });
  expect(status).toBe(202);
  const id = String(body.id);
  const expectDone = async () => {
    await until('the erasure is completed', async () => (await stateOf(world.sql, id)) === 'completed', 90_000);
    await expectErased(world.sql, account, id, before);
    expect(await checksum(world.sql, bystander)).toBe(sum);
    // A mail that reached a Redis which lost it is due again a minute later. The next look at what is left sends it.
    for (const kind of ['received', 'completed'] as const) await notificationIn(world.sql, id, kind, 'sent', 150_000);
    const subjects = (await mails(world.outbox)).filter((mail) => mail.to === email).map((mail) => mail.subject);
    expect([subjects.length, new Set(subjects).size]).toEqual([2, 2]);
  };
  return { id, expectDone };
}
