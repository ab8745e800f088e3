import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { populate } from '../../dev/reader.ts';
import { checksum, expectErased, mails, rowsOf } from '../support/evidence.ts';
import { until } from '../support/until.ts';
import { type Call, createWorld, KEYS, type World } from '../support/world.ts';

let world: World;
let call: Call;

beforeAll(async () => {
  world = await createWorld();
  call = await world.api();
  await world.worker();
});
afterAll(() => world.close());

const ADMIN = { auth: `Bearer ${KEYS.admin}` };

async function erase(posts: number, feeds: number) {
  const stamp = `${posts}-${Date.now()}`;
  const [victim, bystander] = (await populate(world.sql, [
    { email: `victim-${stamp}@example.com`, posts, feeds },
    { email: `bystander-${stamp}@example.com`, posts: 500, feeds: 20 },
  ])) as [string, string];
  const before = await rowsOf(world.sql, victim);
  const sum = await checksum(world.sql, bystander);
  expect(before).toEqual({ sessions: 2, posts, feeds, accounts: 1 });
  return { victim, bystander, before, sum, email: `victim-${stamp}@example.com` };
}

describe('a small account', () => {
  it('with 999 posts is erased inside the request', async () => {
    const { victim, bystander, before, sum, email } = await erase(999, 10);
    const answer = await call('POST', `/v1/accounts/${victim}/erasure`, { body: {} });
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ accountId: victim, state: 'completed', mode: 'immediate' });
    await expectErased(world.sql, victim, String(answer.body.id), before);
    expect(await checksum(world.sql, bystander)).toBe(sum);
    const sent = await until('the mail is written', async () =>
      (await mails(world.outbox)).filter((m) => m.to === email),
    );
    await until('the mail is written', async () => (await mails(world.outbox)).some((m) => m.to === email));
    expect(sent.length).toBeLessThanOrEqual(1);
    await until('the address is forgotten', async () => {
      const [row] = await world.sql`SELECT email FROM lethe.erasure WHERE id = ${String(answer.body.id)}`;
      return row?.email === null;
    });
  });
});

describe('a large account', () => {
  it('with 1,000 posts is scheduled, signed out and flagged, and erased by the workers', async () => {
    const { victim, bystander, before, sum, email } = await erase(1000, 10);
    const answer = await call('POST', `/v1/accounts/${victim}/erasure`, { body: {} });
    expect(answer.status).toBe(202);
    expect(answer.body).toMatchObject({ state: 'scheduled', mode: 'scheduled' });
    expect(answer.headers.get('location')).toBe(`/v1/erasures/${answer.body.id}`);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    const startsAt = new Date(String(answer.body.startsAt));
    expect(startsAt.getMinutes()).toBe(0);
    expect(startsAt.getTime() - Date.now()).toBeLessThanOrEqual(3_600_000);
    const [account] = await world.sql`SELECT erasure_requested_at FROM accounts WHERE id = ${victim}`;
    expect(account?.erasure_requested_at).toBeInstanceOf(Date);
    expect((await rowsOf(world.sql, victim)).sessions).toBe(0);

    const started = await call('POST', `/v1/erasures/${answer.body.id}/start`);
    expect(started.status).toBe(202);
    const done = await until('the erasure is completed', async () => {
      const { body } = await call('GET', `/v1/erasures/${answer.body.id}`, ADMIN);
      return body.state === 'completed' && body;
    });
    expect(done.progress).toMatchObject({ rowsDeleted: 1013, rowsPlanned: 1013, percent: 100, etaSeconds: 0 });
    await expectErased(world.sql, victim, String(answer.body.id), before);
    expect(await checksum(world.sql, bystander)).toBe(sum);
    await until(
      'the mails are written',
      async () => (await mails(world.outbox)).filter((m) => m.to === email).length === 2,
    );
  });

  it('with 60,000 posts is erased in several windows', async () => {
    const { victim, bystander, before, sum } = await erase(60_000, 100);
    const answer = await call('POST', `/v1/accounts/${victim}/erasure`, { body: { startNow: true } });
    expect(answer.status).toBe(202);
    expect(answer.body.state).toBe('running');
    const completed = async () => {
      const { body } = await call('GET', `/v1/erasures/${answer.body.id}`, ADMIN);
      return body.state === 'completed';
    };
    await until('the erasure is completed', completed, 90_000);
    await expectErased(world.sql, victim, String(answer.body.id), before);
    expect(await checksum(world.sql, bystander)).toBe(sum);
  }, 180_000);
});
