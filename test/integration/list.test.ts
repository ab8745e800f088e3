import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listErasures, selectErasures } from '../../src/erasure/progress/list.ts';
import type { Resources } from '../../src/resources.ts';
import { accountDigest } from '../../src/tokens.ts';
import { createWorld, SECRET, type World } from '../support/world.ts';

type Blocks = { 'Actual Rows': number; 'Shared Hit Blocks': number; 'Shared Read Blocks': number };

const FINISHED = 100_000;
let world: World;
let domain: Resources;

beforeAll(async () => {
  world = await createWorld();
  domain = await world.domain();
  // Ids in the order of time, as version 7 has them.
  await world.sql.unsafe(`
    INSERT INTO lethe.erasure (id, account_key, account_digest, state, mode, starts_at, due_at, catalog_digest, completed_at, held_at, scrubbed_at)
    SELECT ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
           CASE WHEN n % 2 = 0 THEN n::text END, 'digest-' || n,
           CASE WHEN n % 10000 = 0 THEN 'stalled' WHEN n % 10000 = 1 THEN 'scheduled' ELSE 'completed' END,
           'scheduled', now(), now(), 'c', now(), CASE WHEN n % 10000 = 1 THEN now() END, CASE WHEN n % 2 = 1 THEN now() END
      FROM generate_series(1, ${FINISHED}) n;
    ANALYZE lethe.erasure`);
});
afterAll(() => world.close());

const numbers = (page: { erasures: { id: string }[] }) =>
  page.erasures.map((e) => Number.parseInt(e.id.slice(-12), 16));

describe('the list of erasures', () => {
  it('shows the newest first, page by page, each once', async () => {
    const first = await listErasures(domain.ctx.db, {}, { limit: 3 });
    expect(numbers(first)).toEqual([100_000, 99_999, 99_998]);
    const second = await listErasures(domain.ctx.db, {}, { limit: 3, cursor: first.nextCursor ?? undefined });
    expect(numbers(second)).toEqual([99_997, 99_996, 99_995]);
  });

  it('ends with a page that has no next one', async () => {
    const all = await listErasures(domain.ctx.db, { state: 'stalled' }, { limit: 10 });
    expect(numbers(all)).toEqual([10, 9, 8, 7, 6, 5, 4, 3, 2, 1].map((n) => n * 10_000));
    expect(all.nextCursor).toBeNull();
    const page = await listErasures(domain.ctx.db, { state: 'stalled' }, { limit: 9 });
    expect(page.nextCursor).not.toBeNull();
    const last = await listErasures(domain.ctx.db, { state: 'stalled' }, { limit: 9, cursor: page.nextCursor ?? '' });
    expect([numbers(last), last.nextCursor]).toEqual([[10_000], null]);
  });

  it('filters by hold', async () => {
    const held = await listErasures(domain.ctx.db, { held: true }, { limit: 50 });
    expect(held.erasures).toHaveLength(10);
    expect(held.erasures.every((e) => e.heldAt !== null)).toBe(true);
    const free = await listErasures(domain.ctx.db, { held: false, state: 'scheduled' }, { limit: 50 });
    expect(free.erasures).toHaveLength(0);
  });

  it('finds an account by its key, and by its digest when the key is scrubbed', async () => {
    const digest = accountDigest([SECRET], '77');
    await world.sql`UPDATE lethe.erasure SET account_digest = ${digest} WHERE account_digest = 'digest-77'`;
    const one = await listErasures(domain.ctx.db, { accountKey: '78', accountDigests: ['none'] }, { limit: 5 });
    expect(numbers(one)).toEqual([78]);
    const scrubbed = await listErasures(domain.ctx.db, { accountKey: '77', accountDigests: [digest] }, { limit: 5 });
    expect(scrubbed.erasures.map((e) => e.accountKey)).toEqual([null]);
    const nobody = await listErasures(domain.ctx.db, { accountKey: '77' }, { limit: 5 });
    expect(nobody.erasures).toEqual([]);
  });

  it.each([
    ['everything', {}],
    ['a rare state', { state: 'stalled' as const }],
    ['a common state', { state: 'completed' as const }],
    ['what is held', { held: true }],
    ['what is live', { live: true }],
    ['what is overdue', { overdue: true }],
    ['an account', { accountKey: '42', accountDigests: ['digest-42', 'digest-43'] }],
  ])('reads few pages for %s, with many finished ones', async (_, filter) => {
    const [row] = await domain.ctx.db.execute<{ 'QUERY PLAN': [{ Plan: Blocks }] }>(
      sql`EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${selectErasures(domain.ctx.db, filter, { limit: 50 }).getSQL()}`,
    );
    const plan = row?.['QUERY PLAN'][0].Plan as Blocks;
    expect(plan['Actual Rows']).toBeGreaterThan(0);
    // The whole table has about two thousand.
    expect(plan['Shared Hit Blocks'] + plan['Shared Read Blocks']).toBeLessThan(120);
  });
});
