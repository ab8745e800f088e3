import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkPlant } from '../../src/canary/check-plant.ts';
import { findLiveCycle } from '../../src/canary/cycles.ts';
import { type CanaryWork, markerOf } from '../../src/canary/model.ts';
import { moveCycle } from '../../src/canary/move.ts';
import { parseCatalog } from '../../src/catalog/load.ts';
import type { Context } from '../../src/erasure/model/context.ts';
import { connect } from '../../src/store/client.ts';
import { begin, canaryCatalog, canaryWork, found, moveUntil, PLANT, wholeCycle } from '../support/test-data.ts';
import { until } from '../support/until.ts';
import { createWorld, KEYS, type World } from '../support/world.ts';

let world: World;
let ctx: Context;
beforeAll(async () => {
  world = await createWorld({ catalog: canaryCatalog(), env: { CANARY_KEY: KEYS.write } });
  ({ ctx } = await world.domain());
  await world.sql.unsafe('CREATE TABLE things (id int, uuid uuid, made date, account bigint)');
});
afterAll(() => world.close());

const [FIRST = ''] = PLANT;
const withPlant = (...plant: string[]) => {
  const work = canaryWork(ctx);
  return { ...work, declared: { ...work.declared, plant } };
};
const accounts = async () => (await world.sql`SELECT id FROM accounts WHERE email LIKE 'canary-%'`).length;

describe('a statement that cannot be run', () => {
  it.each<[string, string[], RegExp]>([
    ['fails', [FIRST, 'INSERT INTO nowhere VALUES ($account)'], /^\(planting\): statement 2: refused \(SQLSTATE 42P01/],
    [
      'breaks a constraint',
      [FIRST, 'INSERT INTO feeds (account_id, title) VALUES ($account, NULL)'],
      /statement 2: refused \(SQLSTATE 23502/,
    ],
    [
      'puts the key where it does not fit',
      [FIRST, 'INSERT INTO things (uuid) VALUES ($account)'],
      /statement 2: refused \(SQLSTATE 22P02/,
    ],
    ['returns nothing', ['INSERT INTO accounts (email) VALUES ($marker)'], /statement 1 returned 0 rows: expected one/],
    [
      'returns two rows',
      ["INSERT INTO accounts (email) VALUES ($marker), ($marker || '2') RETURNING id"],
      /statement 1 returned 2 rows/,
    ],
    [
      'returns no key',
      ['INSERT INTO accounts (email) VALUES ($marker) RETURNING email'],
      /no key of an account: expected a whole number/,
    ],
    ['returns the key of nobody', ['SELECT 999999999 AS id, $marker AS marker'], /key of an account that there is not/],
    [
      'deletes',
      [FIRST, 'WITH gone AS (DELETE FROM posts RETURNING id) SELECT id FROM gone'],
      /test data is only added, and DELETE is not/,
    ],
    ['is several', [FIRST, 'SELECT 1; SELECT 2'], /one statement is expected/],
    [
      'writes too much',
      [FIRST, "INSERT INTO feeds (account_id, title) SELECT $account, 'x' FROM generate_series(1, 10001)"],
      /10001 rows, and at most 10000/,
    ],
  ])('%s: the cycle ends, says which, and leaves nothing', async (_, plant, words) => {
    const cycle = await wholeCycle(withPlant(...plant), world);
    expect(cycle).toMatchObject({ state: 'failed', accountKey: null, erasureId: null });
    expect(found(cycle)).toEqual([expect.stringMatching(words)]);
    expect(await accounts()).toBe(0);
  });

  it.each([
    ['with somebody beside the marker', 'SELECT id FROM accounts WHERE email <> $marker ORDER BY id LIMIT 1'],
    [
      'that a conflict has found',
      `WITH made AS (SELECT $marker AS marker)
       INSERT INTO accounts (email) SELECT 'somebody@example.org' FROM made
       ON CONFLICT (email) DO UPDATE SET email = excluded.email RETURNING id`,
    ],
  ])('never takes the account of a person: %s', async (_, first) => {
    const person = { email: 'somebody@example.org' };
    await world.sql`INSERT INTO accounts ${world.sql(person)} ON CONFLICT DO NOTHING`;
    const cycle = await wholeCycle(withPlant(first), world);
    expect(cycle).toMatchObject({ state: 'failed', accountKey: null, erasureId: null });
    expect(found(cycle)).toEqual([expect.stringMatching(/that was there before: test data must be new|UPDATE is not/)]);
    expect(await world.sql`SELECT email FROM accounts WHERE email = ${person.email}`).toHaveLength(1);
  });

  it('changes rows by a rule, which no word of it says: it is refused, and by the check as well', async () => {
    await world.sql`CREATE RULE bump AS ON INSERT TO things DO ALSO UPDATE feeds SET title = 'changed'`;
    const plant = [...PLANT, 'INSERT INTO things (account) VALUES ($account)'];
    const words = 'it would change rows of public.feeds: test data is only added';
    try {
      expect(found(await wholeCycle(withPlant(...plant), world))).toEqual([`(planting): statement 5: ${words}`]);
      const { errors } = await checkPlant(ctx.db, ctx.catalog, withPlant(...plant).declared);
      expect(errors).toEqual([`canary.plant.4: ${words}`]);
    } finally {
      await world.sql`DROP RULE bump ON things`;
    }
  });

  it('hangs: it is broken off after 5 s and tried again', async () => {
    const work = withPlant(FIRST, 'SELECT pg_sleep(60)');
    await begin(work);
    await moveCycle(work, (await findLiveCycle(ctx.db)) as NonNullable<Awaited<ReturnType<typeof findLiveCycle>>>);
    const cycle = await findLiveCycle(ctx.db);
    expect(cycle).toMatchObject({ state: 'planting', attempts: 1, lastWords: 'statement 2 took longer than 5 s' });
    expect(await accounts()).toBe(0);
    await moveUntil(canaryWork(ctx), world, (c) => c.finishedAt !== null);
  });

  it('is told of in the words of the check, which runs none of them', async () => {
    const check = async (...plant: string[]) => checkPlant(ctx.db, ctx.catalog, withPlant(...plant).declared);
    expect(await check(...PLANT)).toEqual({ errors: [], warnings: [] });
    expect(await check(FIRST, 'INSERT INTO things (account) VALUES ($account)')).toEqual({
      errors: [],
      warnings: [
        'canary.plant: public.things is not in the catalog, so no erasure looks there',
        'canary.plant: nothing is planted in posts, sessions, feeds, so nobody would notice',
      ],
    });
    const { errors } = await check(
      'INSERT INTO accounts (email) VALUES ($marker)',
      'INSERT INTO things (uuid, made, id) VALUES ($account, $marker, $account)',
      'INSERT INTO nowhere VALUES ($account)',
      'SELECT $account.tenant',
    );
    expect(errors).toEqual(
      [
        "canary.plant.0: returns nothing: end it with RETURNING and the account's key",
        'canary.plant.1: $account is of type bigint, and stands where uuid is expected',
        'canary.plant.1: $marker is a text, and stands where date is expected',
        'canary.plant.2: relation "nowhere" does not exist (42P01)',
      ].concat(errors.slice(4)),
    );
    expect(await accounts()).toBe(0);
  });
});

it('the catalog of docs/test-data.md has an account planted and erased', async () => {
  const [, yaml] = /```yaml\n([\s\S]*?)```/.exec(readFileSync('docs/test-data.md', 'utf8')) ?? [];
  const { canary } = parseCatalog(yaml as string);
  const plant = canary?.plant ?? [];
  expect(await checkPlant(ctx.db, ctx.catalog, withPlant(...plant).declared)).toEqual({ errors: [], warnings: [] });
  const cycle = await wholeCycle(withPlant(...plant), world);
  expect(cycle).toMatchObject({ state: 'passed', planted: { sessions: 1, feeds: 1, posts: 1 } });
});

describe('a process that plants', () => {
  it('and is killed in the middle leaves nothing, and the next one plants one account', async () => {
    // The statement waits for a lock that this test has: there the process is killed.
    const child = `
      import { loadConfig } from './src/config.ts';
      import { openResources } from './src/resources.ts';
      import { createLogger } from './src/logger.ts';
      import { findLiveCycle } from './src/canary/cycles.ts';
      import { moveCycle } from './src/canary/move.ts';
      import { canaryWork } from './test/support/test-data.ts';
      const { ctx } = await openResources(loadConfig('worker'), createLogger('silent', 'x'), { max: 2, name: 'planting' });
      const work = canaryWork({ ...ctx, settings: { ...ctx.settings, lockBudgetMs: 600000 } });
      await moveCycle(work, await findLiveCycle(ctx.db));`;
    const work = canaryWork(ctx, {}, 30_000);
    const id = await begin(work);
    await world.sql`CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NEW; END $$`;
    await world.sql`CREATE TRIGGER wait BEFORE INSERT ON feeds FOR EACH ROW EXECUTE FUNCTION wait()`;
    const { spawn } = await import('node:child_process');
    const lock = await world.sql.reserve();
    await lock`SELECT pg_advisory_lock(4711)`;
    const planting = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', child], {
      env: { PATH: process.env.PATH, ...world.env },
      stdio: 'ignore',
    });
    try {
      await until('it waits in its third statement', async () => {
        const waiting = await world.sql`SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`;
        return waiting.length > 0;
      });
      planting.kill('SIGKILL');
      await until('its session is over', async () => {
        await world.sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'planting'`;
        return (await world.sql`SELECT 1 FROM pg_stat_activity WHERE application_name = 'planting'`).length === 0;
      });
    } finally {
      planting.kill('SIGKILL');
      await lock`SELECT pg_advisory_unlock(4711)`;
      lock.release();
      await world.sql`DROP TRIGGER wait ON feeds`;
    }
    expect(await accounts()).toBe(0);
    const cycle = await moveUntil(work, world, (c) => c.state === 'planted');
    expect(cycle).toMatchObject({ id, planted: { sessions: 2, feeds: 1, posts: 3 } });
    const [row] = await world.sql`SELECT email FROM accounts WHERE id = ${cycle.accountKey}`;
    expect(row?.email).toBe(`${markerOf(cycle)}@example.com`);
    expect(await accounts()).toBe(1);
    expect(found(await moveUntil(work, world, (c) => c.finishedAt !== null))).toEqual([]);
  });

  it.each(['planting', 'planted', 'requested'])(
    'and stops after %s is followed by another, which repeats the step',
    async (state) => {
      let asked = 0;
      const work = canaryWork(ctx, {}, 30_000);
      const counting: CanaryWork = {
        ...work,
        ask: (...of) => {
          asked += 1;
          return work.ask(...of);
        },
      };
      await begin(counting);
      const seen = await moveUntil(
        counting,
        world,
        (c) => c.state === state && (state !== 'planting' || c.accountKey !== null),
      );
      // What the first process still had in its hands, and does late.
      await Promise.all([moveCycle(counting, seen), moveCycle(counting, seen)]);
      expect(found(await moveUntil(counting, world, (c) => c.finishedAt !== null))).toEqual([]);
      expect(asked).toBeLessThanOrEqual(3);
      expect(await accounts()).toBe(0);
      const [live] =
        await world.sql`SELECT count(*)::int AS n FROM lethe.erasure WHERE account_key = ${seen.accountKey}`;
      expect(live?.n).toBe(1);
    },
  );
});

describe('somebody else', () => {
  it('may ask for the erasure before: the cycle goes on with that one', async () => {
    const work = canaryWork(ctx);
    await begin(work);
    const { accountKey } = await moveUntil(work, world, (c) => c.state === 'planted');
    const first = await work.ask(accountKey as string, { cycle: 'somebody', turn: 0 }, work.signal);
    const cycle = await moveUntil(work, world, (c) => c.finishedAt !== null);
    expect(first).toEqual({ kind: 'accepted', erasureId: cycle.erasureId });
    expect(found(cycle)).toEqual([]);
  });

  it('may delete the account without an erasure: that is a finding', async () => {
    const work = canaryWork(ctx);
    await begin(work);
    const { accountKey } = await moveUntil(work, world, (c) => c.state === 'planted');
    await world.sql`DELETE FROM accounts WHERE id = ${accountKey}`;
    const cycle = await moveUntil(work, world, (c) => c.finishedAt !== null);
    expect(found(cycle)).toEqual([expect.stringMatching(/^\(request\): .*not_found: there is no such account$/)]);
  });

  it('may put it on hold: no location is blamed', async () => {
    const work = canaryWork(ctx, {}, 1_000);
    await begin(work);
    const { accountKey } = await moveUntil(work, world, (c) => c.state === 'planted');
    const large = { ...ctx, catalog: { ...ctx.catalog, account: { ...ctx.catalog.account, threshold: 1 } } };
    const held: typeof work = {
      ...work,
      ask: async (key, id, signal) => {
        const asked = await canaryWork(large).ask(key, id, signal);
        await world.sql`UPDATE lethe.erasure SET held_at = now(), held_by = 'cli', hold_reason = 'case' WHERE account_key = ${accountKey}`;
        return asked;
      },
    };
    const cycle = await moveUntil(held, world, (c) => c.finishedAt !== null);
    expect(found(cycle)).toEqual(['(request): its erasure is on hold: release it']);
  });
});

describe('an API that is away, slow or full', () => {
  it('is asked again; what it answers at the end of the time is the finding', async () => {
    let asked = 0;
    const ask: CanaryWork['ask'] = async () => {
      asked += 1;
      return { kind: 'later', words: 'the API answered 500' };
    };
    const away = canaryWork(ctx, { ask }, 500);
    const cycle = await wholeCycle(away, world);
    expect(found(cycle)).toEqual(['(request): the API answered 500']);
    expect(asked).toBeGreaterThan(1);
    const back = canaryWork(ctx);
    let tries = 0;
    const late: typeof back = {
      ...back,
      ask: async (...of) =>
        ++tries < 3 ? { kind: 'later', words: 'the API answered 429', afterMs: 10 } : back.ask(...of),
    };
    expect(found(await wholeCycle(late, world))).toEqual([]);
  });
});

describe('a role that plants', () => {
  it('needs rights that the role of the workers has not, and an update of its own row; docs/test-data.md grants them', async () => {
    const name = new URL(world.url).pathname.slice(1);
    const [, block] =
      /```sql\n(CREATE ROLE lethe_canary[\s\S]*?)```/.exec(readFileSync('docs/test-data.md', 'utf8')) ?? [];
    const role = `planter_${name}`;
    await world.sql.unsafe((block as string).replaceAll('lethe_canary', role));
    const url = new URL(world.url);
    url.username = role;
    url.password = 'change-me';
    const { db, close } = connect(url.href, { max: 1, applicationName: 'planter' });
    try {
      expect(found(await wholeCycle(canaryWork(ctx, { planter: db }), world))).toEqual([]);
      expect(await checkPlant(db, ctx.catalog, withPlant(...PLANT).declared)).toEqual({ errors: [], warnings: [] });
      await world.sql.unsafe(`REVOKE INSERT ON posts FROM ${role}`);
      const refused = await wholeCycle(canaryWork(ctx, { planter: db }), world);
      expect(found(refused)).toEqual([expect.stringMatching(/^\(planting\): statement 4: refused \(SQLSTATE 42501/)]);
      expect((await checkPlant(db, ctx.catalog, withPlant(...PLANT).declared)).warnings).toContain(
        'canary.plant.3: this role may not run it: GRANT INSERT, or set LETHE_CANARY_DATABASE_URL',
      );
    } finally {
      await close();
      await world.sql.unsafe(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    }
  });
});
