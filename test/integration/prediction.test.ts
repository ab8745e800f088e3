import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseCatalog } from '../../src/catalog/load.ts';
import { findErasure } from '../../src/erasure/model/states.ts';
import { readRates, recordThroughput } from '../../src/erasure/model/throughput.ts';
import { readProgress } from '../../src/erasure/progress/status.ts';
import { advanceErasure } from '../../src/erasure/steps/advance.ts';
import type { Resources } from '../../src/resources.ts';
import { rowsOf } from '../support/evidence.ts';
import { begin, request, run, step } from '../support/run-by-hand.ts';
import { subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { createWorld, READER_CATALOG, type World } from '../support/world.ts';

const CATALOG = READER_CATALOG.replace('threshold: 1000', 'threshold: 1s');

let world: World;
let domain: Resources;
beforeAll(async () => {
  world = await createWorld({ catalog: CATALOG, env: { LETHE_CHUNK_ROWS: '10000' } });
  domain = await world.domain();
});
afterAll(() => world.close());

const forget = () => world.sql`DELETE FROM lethe.throughput`;
const progressOf = async (id: string) => {
  const found = await findErasure(domain.ctx.db, id);
  if (!found) throw new Error('no erasure');
  return readProgress(domain.ctx, found);
};
/** Rows per millisecond: so many rows in a thousand seconds, which later measurements hardly change. */
const measured = async (rates: Record<string, number>) => {
  await forget();
  for (const [location, rate] of Object.entries(rates)) {
    await recordThroughput(domain.ctx.db, location, rate * 1_000_000, 1_000_000);
  }
};

describe('measured speed', () => {
  it('is kept per location by the workers, the account for the last transaction', async () => {
    await forget();
    const call = await world.api();
    const worker = await world.worker();
    const { account } = await subject(world.sql, 12_000, 5);
    await call('POST', `/v1/accounts/${account}/erasure`, { body: { startNow: true } });
    await until('the account is gone', async () => (await rowsOf(world.sql, account)).accounts === 0);
    const rates = await until('all are measured', async () => {
      const found = await readRates(domain.ctx.db);
      return ['posts', 'feeds', 'accounts'].every((l) => found.has(l)) && found;
    });
    for (const rate of rates.values()) expect(rate).toBeGreaterThan(0);
    // Twelve thousand rows in a fraction of a second up to half a minute on a slow machine.
    expect(rates.get('posts')).toBeGreaterThan(0.4);
    await worker.stop();
  });

  it('forgets what was long ago', async () => {
    await forget();
    await recordThroughput(domain.ctx.db, 'posts', 5_000_000, 1_000_000);
    await recordThroughput(domain.ctx.db, 'posts', 5_000_000, 100_000);
    const rates = await readRates(domain.ctx.db);
    expect(rates.get('posts')).toBeGreaterThan(49);
    expect(rates.get('posts')).toBeLessThanOrEqual(50);
  });

  it('of nothing is not a measurement', async () => {
    await forget();
    await recordThroughput(domain.ctx.db, 'posts', 0, 10);
    expect((await readRates(domain.ctx.db)).size).toBe(0);
  });
});

describe('etaSeconds', () => {
  it('is the measured time for the rows that are left: posts, feeds and the last transaction', async () => {
    // 20,000 posts in two chunks at once: 100 s; 3 feeds, likewise: 1.5 s; the account: 20,003 rows at 1 per ms: 20 s.
    await measured({ posts: 0.1, feeds: 0.001, accounts: 1 });
    // Nobody decides a pace: all of the cluster's slots count.
    await world.sql`DELETE FROM lethe.pace`;
    const { account } = await subject(world.sql, 20_000, 3);
    const id = await begin(domain.ctx, account);
    expect((await progressOf(id)).etaSeconds).toBeNull();
    await advanceErasure(domain.ctx, id, (await findErasure(domain.ctx.db, id))?.step ?? 0);
    expect((await progressOf(id)).etaSeconds).toBe(122);
    await world.sql`UPDATE lethe.erasure SET held_at = now() WHERE id = ${id}`;
    expect((await progressOf(id)).etaSeconds).toBeNull();
    await world.sql`UPDATE lethe.erasure SET held_at = NULL WHERE id = ${id}`;
    await run(domain.ctx, id);
    expect((await progressOf(id)).etaSeconds).toBe(0);
  });

  it('without a measurement is the average since the start, and nothing before the first row', async () => {
    await forget();
    const { account } = await subject(world.sql, 30_000, 3);
    const id = await begin(domain.ctx, account);
    await step(domain.ctx, id);
    await forget();
    const { etaSeconds, percent } = await progressOf(id);
    expect(percent).toBe(99);
    expect(etaSeconds).toBe(1);
  });
});

describe('a threshold in time', () => {
  it('sends an account into the request when its rows take less, and to the workers when they take more', async () => {
    await measured({ sessions: 1000, posts: 5, feeds: 1000 });
    const below = await subject(world.sql, 4_900, 3);
    const above = await subject(world.sql, 5_100, 3);
    const modeOf = async (account: string) =>
      (await findErasure(domain.ctx.db, await request(domain.ctx, account)))?.mode;
    expect(await modeOf(below.account)).toBe('immediate');
    expect(await modeOf(above.account)).toBe('scheduled');
  });

  it('adds the locations up', async () => {
    await measured({ sessions: 1000, posts: 5, feeds: 0.01 });
    const both = await subject(world.sql, 3_000, 60);
    const id = await request(domain.ctx, both.account);
    expect((await findErasure(domain.ctx.db, id))?.mode).toBe('scheduled');
  });

  it('without a measurement counts a thousand rows as the limit', async () => {
    await forget();
    const ids = await Promise.all(
      [999, 1_000].map(async (posts) => request(domain.ctx, (await subject(world.sql, posts)).account)),
    );
    const modes = await Promise.all(ids.map(async (id) => (await findErasure(domain.ctx.db, id))?.mode));
    expect(modes).toEqual(['immediate', 'scheduled']);
  });

  it.each(['0s', '11s', 'soon', '0'])('%s is refused with what is expected', async (threshold) => {
    expect(() => parseCatalog(CATALOG.replace('1s', threshold))).toThrow(/account\.threshold: expected/);
  });
});

describe('a location that takes long to look at', () => {
  it('makes the account one for the workers, instead of a request that fails', async () => {
    const slow = await createWorld({
      catalog: `${READER_CATALOG}  - { table: notes, account: account_id, owner: notes }\n`,
    });
    await slow.sql.unsafe(`
      CREATE TABLE notes (id bigint PRIMARY KEY, account_id bigint NOT NULL);
      CREATE FUNCTION slowly() RETURNS boolean LANGUAGE plpgsql STABLE AS $$ BEGIN PERFORM pg_sleep(0.4); RETURN true; END $$`);
    const { ctx } = await slow.domain();
    const { account } = await subject(slow.sql, 20);
    await slow.sql`INSERT INTO notes VALUES (1, ${account})`;
    // A view that takes its time stands for an index that is not in memory.
    await slow.sql.unsafe(`
      ALTER TABLE notes RENAME TO really;
      CREATE VIEW notes AS SELECT * FROM really WHERE slowly()`);
    const erasure = await findErasure(ctx.db, await request(ctx, account));
    expect(erasure).toMatchObject({ mode: 'scheduled', state: 'scheduled' });
    expect((await rowsOf(slow.sql, account)).sessions).toBe(0);
    await slow.close();
  });
});
