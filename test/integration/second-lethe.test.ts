import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from '../../dev/free-port.ts';
import { stop } from '../../dev/process.ts';
import { type Started, startApi } from '../../src/main.ts';
import { expectErased, ledger, rowsOf } from '../support/evidence.ts';
import { PARTNER_SECRET } from '../support/partner-message.ts';
import { accepted, erasuresOf, LARGE, SMALL, subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { type Call, createWorld, READER_CATALOG, type World } from '../support/world.ts';

/** Two databases, each with a Lethe of its own: an API and a worker. The second is a partner of the first. */
let first: World;
let second: World;
let call: Call;
let secondPort: number;
let secondApi: Started | undefined;
let ids = 1_000;

const env = (port: number) => ({
  PORT: String(port),
  LETHE_PUBLIC_URL: `http://127.0.0.1:${port}`,
  LETHE_PRIVATE_HOSTS: '127.0.0.1',
  LETHE_RECONCILE_INTERVAL: '1s',
});

beforeAll(async () => {
  const firstPort = await freePort();
  secondPort = await freePort();
  first = await createWorld({
    env: { ...env(firstPort), SECOND_SECRET: PARTNER_SECRET },
    catalog: `${READER_CATALOG}
  - partner: second
    owner: archive
    http: { url: "http://127.0.0.1:${secondPort}/v1/partner/erasures", secret: "env:SECOND_SECRET", rate: 100/s }
`,
  });
  second = await createWorld({ env: { ...env(secondPort), LETHE_PARTNER_SECRET: PARTNER_SECRET } });
  call = await first.api();
  await first.worker();
});
afterAll(async () => {
  await stopSecond();
  await first?.close();
  await second?.close();
});

const startSecond = async () => {
  secondApi ??= await startApi(second.config('api'));
};
async function stopSecond() {
  await secondApi?.stop();
  secondApi = undefined;
}

/** The same account in both databases, with so many posts in each. */
async function inBoth(posts: number, there: number) {
  ids += 100;
  for (const { sql } of [first, second]) await sql.unsafe(`ALTER TABLE accounts ALTER COLUMN id RESTART WITH ${ids}`);
  const here = await subject(first.sql, posts);
  const other = await subject(second.sql, there);
  expect(other.account).toBe(here.account);
  return { account: here.account, before: here.before, other };
}
const stateOf = async (world: World, account: string) => (await erasuresOf(world.sql, account)).at(-1)?.state;
const callOf = async (id: string) =>
  (
    await first.sql<{ id: string; state: string; words: string; attempts: number; open: boolean }[]>`
    SELECT c.id, c.state, c.last_words AS words, c.attempts, p.opened_at IS NOT NULL AS open
      FROM lethe.call c JOIN lethe.partner p ON p.name = c.partner WHERE c.erasure_id = ${id}`
  )[0];
const isCompleted = (id: string) => async () =>
  (await first.sql`SELECT state FROM lethe.erasure WHERE id = ${id}`)[0]?.state === 'completed';

/** Both ledgers have what was there, and nothing is left in either database. */
async function expectGone(id: string, { account, before, other }: Awaited<ReturnType<typeof inBoth>>) {
  await expectErased(first.sql, account, id, { ...before, second: 1 });
  const [there] = await erasuresOf(second.sql, account);
  await expectErased(second.sql, account, String(there?.id), other.before);
  expect(await rowsOf(second.sql, account)).toEqual({ sessions: 0, posts: 0, feeds: 0, accounts: 0 });
  expect((await rowsOf(second.sql, other.bystander)).accounts).toBe(1);
}

describe('a second Lethe as a partner', () => {
  beforeEach(startSecond);

  it('that has a small account says at once that it is erased', async () => {
    const both = await inBoth(SMALL, SMALL);
    const { id } = await accepted(call, both.account);
    await until('the first is completed', isCompleted(id));
    await expectGone(id, both);
    expect(await callOf(id)).toMatchObject({ state: 'done', words: 'erased (200)' });
  });

  it('that has no such account says so', async () => {
    const { account } = await subject(first.sql, SMALL);
    const { id } = await accepted(call, account);
    await until('the first is completed', isCompleted(id));
    expect(await callOf(id)).toMatchObject({ state: 'done', words: 'had nothing (200)' });
  });

  it('that has a large account acknowledges when it is gone; the first waits until then', async () => {
    const both = await inBoth(SMALL, LARGE);
    const { id } = await accepted(call, both.account);
    await until('it was accepted there', async () => (await callOf(id))?.state === 'accepted');
    expect(await stateOf(second, both.account)).toBe('running');
    expect(await stateOf(first, both.account)).toBe('awaiting');
    expect(await rowsOf(first.sql, both.account)).toEqual({ sessions: 0, posts: 0, feeds: 0, accounts: 0 });
    const worker = await second.worker();
    await until('the first is completed', isCompleted(id));
    await expectGone(id, both);
    expect(await callOf(id)).toMatchObject({ state: 'done', words: 'it acknowledged: erased' });
    await until('its token is destroyed', async () => {
      const [kept] = await second.sql`SELECT * FROM lethe.partner_request WHERE id = ${String((await callOf(id))?.id)}`;
      return kept?.acknowledged_at !== null && kept?.sealed === null && kept?.next_at === null;
    });
    await worker.stop();
  });

  it('that was killed between erasing and acknowledging acknowledges later, once', async () => {
    const both = await inBoth(SMALL, LARGE);
    const { id } = await accepted(call, both.account);
    const child = second.spawn(['worker'], { LETHE_PRIVATE_HOSTS: 'nowhere.example' });
    await until('it is erased there', async () => (await stateOf(second, both.account)) === 'completed');
    // It has erased, and may not send anything to the first.
    await stop(child, 'SIGKILL');
    expect((await callOf(id))?.state).toBe('accepted');
    await second.sql`UPDATE lethe.partner_request SET next_at = now() WHERE next_at IS NOT NULL`;
    const worker: Started = await second.worker();
    await until('the first is completed', isCompleted(id));
    await expectGone(id, both);
    const [counted] =
      await first.sql`SELECT count(*)::int AS n FROM lethe.event WHERE erasure_id = ${id} AND type = 'task.acknowledged'`;
    expect(counted?.n).toBe(1);
    await worker.stop();
  });

  it('whose key is of another type is told of in words, and the erasure waits', async () => {
    const other = await createWorld({
      env: { ...env(secondPort), LETHE_PARTNER_SECRET: PARTNER_SECRET },
      catalog:
        'account: { table: people, key: id, created: created_at }\nlocations: [{ table: things, account: person_id, owner: archive }]\n',
    });
    await other.sql`CREATE TABLE people (id uuid PRIMARY KEY, created_at timestamptz NOT NULL DEFAULT now())`;
    await other.sql`CREATE TABLE things (id uuid PRIMARY KEY, person_id uuid NOT NULL REFERENCES people ON DELETE CASCADE)`;
    await other.sql`CREATE INDEX ON things (person_id, id)`;
    await stopSecond();
    secondApi = await startApi(other.config('api'));
    const { account } = await subject(first.sql, SMALL);
    const { id } = await accepted(call, account);
    await until('it was refused', async () => /refused the message \(422/.test((await callOf(id))?.words ?? ''));
    expect((await callOf(id))?.words).toContain('data.account');
    expect(await stateOf(first, account)).toBe('awaiting');
    await stopSecond();
    await other.close();
  });
});

describe('a second Lethe that is down', () => {
  it('and comes back is asked again with the same id, and erased once', async () => {
    await stopSecond();
    const both = await inBoth(SMALL, SMALL);
    const { id } = await accepted(call, both.account);
    await until('it was tried', async () => ((await callOf(id))?.attempts ?? 0) > 0);
    expect(await stateOf(first, both.account)).toBe('awaiting');
    const asked = (await callOf(id))?.id;
    await startSecond();
    await first.sql`UPDATE lethe.call SET next_at = now() WHERE erasure_id = ${id}`;
    await until('the first is completed', isCompleted(id));
    await expectGone(id, both);
    expect((await callOf(id))?.id).toBe(asked);
    expect(await ledger(first.sql, id)).toMatchObject({ second: 1 });
  });
});
