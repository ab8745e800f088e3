import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { replayErasure } from '../../src/erasure/accept/replay.ts';
import { requestErasure } from '../../src/erasure/accept/request.ts';
import { unseal } from '../../src/partners/seal.ts';
import type { Resources } from '../../src/resources.ts';
import { rowsOf } from '../support/evidence.ts';
import { begin, request, run, step } from '../support/run-by-hand.ts';
import { LARGE, SMALL, subject } from '../support/subject.ts';
import { createWorld, READER_CATALOG, SECRET, type World } from '../support/world.ts';

const PARTNER = 'http: { url: "https://partner.example", secret: "env:PARTNER_SECRET" }';
const CATALOG = `${READER_CATALOG}
  - { partner: files, owner: media, each: posts.title, ${PARTNER} }
  - { partner: devices, owner: identity, each: sessions.device, ${PARTNER} }
  - { partner: billing, owner: billing, select: { customer: accounts.stripe_id }, ${PARTNER} }
`;

let world: World;
let domain: Resources;
beforeEach(async () => {
  world = await createWorld({
    catalog: CATALOG,
    // So long that no process sees the change by itself: it is met when rows are to go.
    env: { LETHE_CHUNK_ROWS: '500', LETHE_RECONCILE_INTERVAL: '60s', PARTNER_SECRET: 'p'.repeat(40) },
  });
  await world.sql.unsafe(`ALTER TABLE accounts ADD stripe_id text; ALTER TABLE sessions ADD device text`);
  domain = await world.domain();
});
afterEach(() => world.close());

const stateOf = async (id: string) => (await world.sql`SELECT state FROM lethe.erasure WHERE id = ${id}`)[0]?.state;

/** What partners will be told, by partner, once they are asked. */
async function told(id: string): Promise<Record<string, unknown[]>> {
  const calls =
    await world.sql`SELECT id, partner, sealed FROM lethe.call WHERE erasure_id = ${id} AND sealed IS NOT NULL`;
  const all: Record<string, unknown[]> = {};
  for (const { id, partner, sealed } of calls) {
    const content = unseal([SECRET], id, sealed) as { keys?: string[]; values?: object };
    all[partner] = [...(all[partner] ?? []), ...(content.keys ?? [content.values])].sort();
  }
  return all;
}

/** An account whose sessions have devices, and whose row has a customer. */
async function member(posts: number) {
  const s = await subject(world.sql, posts);
  await world.sql`UPDATE sessions SET device = id::text WHERE account_id = ${s.account}`;
  await world.sql`UPDATE accounts SET stripe_id = ${`cus_${s.account}`} WHERE id = ${s.account}`;
  const titles = await world.sql`SELECT title FROM posts WHERE account_id = ${s.account}`;
  const devices = await world.sql`SELECT device FROM sessions WHERE account_id = ${s.account}`;
  return {
    ...s,
    /** All that partners must be told of it. */
    everything: {
      files: titles.map(({ title }) => title).sort(),
      devices: devices.map(({ device }) => device).sort(),
      billing: [{ customer: `cus_${s.account}` }],
    },
  };
}

const gone = (table: string, column: string) =>
  `public.${table} has no column ${column}, which partners are told of before its rows go: mend that or the catalog, then restart, and replay`;

/** Stalled in these words. */
async function expectStalled(id: string, words: string | RegExp): Promise<void> {
  for (let steps = 0; (await stateOf(id)) === 'running' && steps < 10; steps++)
    await run(domain.ctx, id, 10).catch(() => {});
  expect(await stateOf(id)).toBe('stalled');
  const errors = await world.sql`SELECT last_error FROM lethe.task WHERE erasure_id = ${id} AND state = 'failed'`;
  expect(errors.map((row) => row.last_error)).toEqual([expect.stringMatching(words)]);
}

/** Once the column is there again, a replay has partners told of all rows, also of those that went before. */
async function expectGoesOn(id: string, everything: object, restore: string): Promise<void> {
  await world.sql.unsafe(restore);
  domain = await world.domain();
  await replayErasure(domain.ctx, id, 'test');
  await run(domain.ctx, id);
  expect(await stateOf(id)).toBe('awaiting');
  expect(await told(id)).toEqual(everything);
}

const exactly = (text: string) => new RegExp(`^catalog_invalid: ${text.replaceAll('.', '\\.')}$`);

describe('a column that partners are told of and that is gone', () => {
  it.each([
    ['a large account', LARGE + 200],
    ['a small account', SMALL],
  ])('stalls %s with all its rows, and a mended database goes on', async (_, posts) => {
    const { account, before, everything } = await member(posts);
    const id = posts === SMALL ? await request(domain.ctx, account) : await begin(domain.ctx, account);
    if (posts !== SMALL) expect((await step(domain.ctx, id)).kind).toBe('dispatch');
    const left = await rowsOf(world.sql, account);
    await world.sql`ALTER TABLE posts RENAME title TO headline`;
    await expectStalled(id, exactly(gone('posts', 'title')));
    expect((await rowsOf(world.sql, account)).posts).toBe(left.posts);
    expect(before.accounts).toBe(1);
    await expectGoesOn(id, everything, 'ALTER TABLE posts RENAME headline TO title');
  });

  it("of the account's row: that row stays", async () => {
    const { account, everything } = await member(LARGE + 200);
    const id = await begin(domain.ctx, account);
    await world.sql`ALTER TABLE accounts RENAME stripe_id TO customer_id`;
    await expectStalled(id, exactly(gone('accounts', 'stripe_id')));
    expect((await rowsOf(world.sql, account)).accounts).toBe(1);
    await expectGoesOn(id, everything, 'ALTER TABLE accounts RENAME customer_id TO stripe_id');
  });

  it('of a session: the request is accepted, and the session is not lost', async () => {
    const { account, everything } = await member(SMALL);
    await world.sql`ALTER TABLE sessions RENAME device TO machine`;
    const { erasure } = await requestErasure(
      domain.ctx,
      { accountKey: [account], requestedBy: 'test' },
      { eraseSmall: true },
    );
    expect((await rowsOf(world.sql, account)).sessions).toBe(2);
    await expectStalled(erasure.id, exactly(gone('sessions', 'device')));
    await expectGoesOn(erasure.id, everything, 'ALTER TABLE sessions RENAME machine TO device');
  });

  it('before a restart: what was accepted meanwhile stalls, and no key of a row is lost', async () => {
    const { account, everything } = await member(SMALL);
    await world.sql`ALTER TABLE posts RENAME title TO headline`;
    domain = await world.domain();
    const id = await request(domain.ctx, account);
    await expectStalled(id, /posts has no column title/);
    expect(await rowsOf(world.sql, account)).toMatchObject({ posts: SMALL, accounts: 1 });
    await expectGoesOn(id, everything, 'ALTER TABLE posts RENAME headline TO title');
  });
});
