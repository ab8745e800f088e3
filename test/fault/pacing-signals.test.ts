import postgres, { type Sql } from 'postgres';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type PostgresServer, startPostgres } from '../../dev/postgres.ts';
import { startPacing } from '../../src/jobs/pacing.ts';
import { readPressure } from '../../src/pace/pressure.ts';
import { checksum, expectErased } from '../support/evidence.ts';
import { paceIn, untilRecovered, untilSlowed } from '../support/pace.ts';
import { stateOf } from '../support/progress.ts';
import { accepted, subject } from '../support/subject.ts';
import { createTemplate } from '../support/template.ts';
import { until } from '../support/until.ts';
import { type Call, createWorld, type World } from '../support/world.ts';

let server: PostgresServer;
let world: World;
let call: Call;
let worker: Awaited<ReturnType<World['worker']>>;

beforeAll(async () => {
  // autovacuum off, and a naptime of a second: a table is left behind as soon as it is over the limit.
  server = await startPostgres({ fsync: 'off', max_connections: '63', autovacuum: 'off', autovacuum_naptime: '1s' });
  await createTemplate(server);
  world = await createWorld({ postgresUrl: server.url(), env: { LETHE_GLOBAL_CONCURRENCY: '4' } });
  call = await world.api();
  worker = await world.worker();
});
afterAll(async () => {
  await world?.close();
  await server?.destroy();
});

const session = (name = 'application', url = world.url): Sql =>
  postgres(url, { max: 1, onnotice: () => {}, connection: { application_name: name } });

it('an application that wants the rows of slow slices slows the cluster down, and the erasure ends exactly', async () => {
  const { account, bystander, before, sum } = await subject(world.sql, 8_000, 3);
  await untilRecovered(world.sql);
  await world.sql.unsafe(`
    CREATE FUNCTION take_time() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.3); RETURN NULL; END $$;
    CREATE TRIGGER take_time AFTER DELETE ON posts EXECUTE FUNCTION take_time()`);
  const sessions = Array.from({ length: 3 }, () => session());
  const began = performance.now();
  const { id } = await accepted(call, account, { body: { startNow: true } });
  let writing = true;
  const writers = sessions.map(async (s) => {
    while (writing)
      await s`UPDATE posts SET title = title WHERE id IN
        (SELECT id FROM posts WHERE account_id = ${account} ORDER BY id LIMIT 20)`.catch(() => {});
  });
  await untilSlowed(world.sql, 1, /wait.* for Lethe’s locks$/);
  const reacted = performance.now() - began;
  writing = false;
  await Promise.all(writers);
  await world.sql.unsafe('DROP TRIGGER take_time ON posts; DROP FUNCTION take_time()');
  await Promise.all(sessions.map((s) => s.end()));
  await until('it is completed', async () => (await stateOf(world.sql, id)) === 'completed', 90_000);
  await expectErased(world.sql, account, id, before);
  expect(await checksum(world.sql, bystander)).toBe(sum);
  // On a slow machine the writers have left more dead rows than is let pass, and nothing here takes them away by itself.
  await world.sql`VACUUM posts`;
  await untilRecovered(world.sql);
  if (process.env.TEST_FIGURES) console.log('slow slices', { reacted });
}, 180_000);

it('sessions of the application that queue for rows of ours slow the cluster down, and it recovers when nobody waits', async () => {
  await untilRecovered(world.sql);
  const { account, before } = await subject(world.sql, 3_000, 3);
  const { bystander, sum } = await subject(world.sql, 1_000);
  const holder = session('lethe-worker');
  const sessions = Array.from({ length: 4 }, () => session());
  // What a slice does that takes its time: it has rows locked that the application wants.
  const began = performance.now();
  const held = holder.begin(async (tx) => {
    await tx`SELECT 1 FROM posts WHERE account_id = ${account} FOR UPDATE`;
    const waiting = sessions.map((s) => s`UPDATE posts SET title = title WHERE account_id = ${account}`.execute());
    const slowed = await untilSlowed(world.sql, 3, /^\d sessions wait for Lethe’s locks$/);
    expect(slowed.signals.find((s) => s.name === 'locks')?.value).toBe(4);
    return { waiting, reacted: performance.now() - began };
  });
  const { waiting, reacted } = await held;
  await Promise.all(waiting);
  const released = performance.now();
  await untilRecovered(world.sql);
  if (process.env.TEST_FIGURES) console.log('locks', { reacted, recovered: performance.now() - released });
  for (const s of [holder, ...sessions]) await s.end();
  const { id } = await accepted(call, account, { body: { startNow: true } });
  await until('it is completed', async () => (await stateOf(world.sql, id)) === 'completed', 60_000);
  await expectErased(world.sql, account, id, before);
  expect(await checksum(world.sql, bystander)).toBe(sum);
}, 120_000);

it('sessions that wait for each other are nobody’s business', async () => {
  const { account } = await subject(world.sql, 1_000);
  const [one, two] = [session(), session()];
  const { ctx } = await world.domain();
  await one.begin(async (tx) => {
    await tx`SELECT 1 FROM accounts WHERE id = ${account} FOR UPDATE`;
    const waiting = two`UPDATE accounts SET email = email WHERE id = ${account}`.execute();
    await until('it waits', async () => {
      const rows =
        await world.sql`SELECT 1 FROM pg_locks WHERE NOT granted AND waitstart < now() - interval '1 second'`;
      return rows.length > 0;
    });
    expect((await readPressure(ctx.db, ctx.catalog)).waiting).toBe(0);
    return { waiting };
  });
  await Promise.all([one.end(), two.end()]);
}, 120_000);

it('connections near the limit slow the cluster down, and it recovers when they are given back', async () => {
  await untilRecovered(world.sql);
  const opened: Sql[] = [];
  const began = performance.now();
  try {
    for (;;) {
      const one = session('application', server.url());
      opened.push(one);
      const [row] = await one`SELECT sum(numbackends)::int AS n FROM pg_stat_database`;
      if (row?.n >= 57) break;
    }
    const slowed = await untilSlowed(world.sql, 2, /^\d\d of 60 connections$/);
    const reacted = performance.now() - began;
    const { account, before } = await subject(world.sql, 2_000, 3);
    const { id } = await accepted(call, account, { body: { startNow: true } });
    await until('it is completed all the same', async () => (await stateOf(world.sql, id)) === 'completed', 60_000);
    await expectErased(world.sql, account, id, before);
    const limited = await untilSlowed(world.sql, 4, /connections$/);
    expect([slowed.pace, limited.step, limited.slots]).toEqual(['balanced', 4, 1]);
    await Promise.all(opened.map((one) => one.end()));
    const released = performance.now();
    await untilRecovered(world.sql);
    if (process.env.TEST_FIGURES) console.log('connections', { reacted, recovered: performance.now() - released });
  } finally {
    await Promise.all(opened.map((one) => one.end()));
  }
}, 120_000);

it('dead rows that no vacuum takes away slow the cluster a little, until one does', async () => {
  await untilRecovered(world.sql);
  const { account, bystander, before, sum } = await subject(world.sql, 230_000, 3);
  await world.sql`ANALYZE posts`;
  await world.sql`ALTER TABLE posts SET (autovacuum_vacuum_scale_factor = 0.1)`;
  const began = performance.now();
  const { id } = await accepted(call, account, { body: { startNow: true } });
  const slowed = await untilSlowed(world.sql, 3, /^vacuum behind on public\.posts \(\d+,\d+ dead rows\)$/);
  const reacted = performance.now() - began;
  expect([slowed.step, slowed.slots]).toEqual([3, 1]);
  await until('it is completed', async () => (await stateOf(world.sql, id)) === 'completed', 90_000);
  await expectErased(world.sql, account, id, before);
  expect(await checksum(world.sql, bystander)).toBe(sum);
  expect((await paceIn(world.sql))?.step).toBe(3);
  await world.sql`VACUUM posts`;
  const vacuumed = performance.now();
  await untilRecovered(world.sql);
  if (process.env.TEST_FIGURES) console.log('vacuum', { reacted, recovered: performance.now() - vacuumed });
}, 180_000);

it('what a role may not see is unknown, said once, and slows nothing', async () => {
  const name = `blind_${process.pid}`;
  await world.sql.unsafe(`CREATE ROLE ${name} LOGIN PASSWORD 'blind';
    GRANT USAGE ON SCHEMA public, lethe, lethe_migrations TO ${name};
    GRANT SELECT, UPDATE, DELETE ON accounts, sessions, feeds, posts TO ${name};
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA lethe TO ${name};
    GRANT SELECT ON ALL TABLES IN SCHEMA lethe_migrations TO ${name}`);
  const url = new URL(world.url);
  [url.username, url.password] = [name, 'blind'];
  const { ctx, producers } = await world.domain({ DATABASE_URL: url.href });
  const { account } = await subject(world.sql, 1_000);
  const lines: Record<string, unknown>[] = [];
  const log = { ...ctx.log, info: () => {}, debug: () => {}, warn: (line: object) => lines.push({ ...line }) };
  // Nobody else decides meanwhile.
  await worker.stop();
  const [holder, waiter] = [session('lethe-worker'), session()];
  await holder.begin(async (tx) => {
    await tx`SELECT 1 FROM accounts WHERE id = ${account} FOR UPDATE`;
    const waiting = waiter`UPDATE accounts SET email = email WHERE id = ${account}`.execute();
    const pressure = await readPressure(ctx.db, ctx.catalog);
    expect(pressure.waiting).toBeNull();
    expect(pressure.connections.used).toBeGreaterThan(3);
    const pacing = startPacing(
      { ctx: { ...ctx, log: log as unknown as typeof ctx.log }, producers },
      { askMs: 50, tickMs: 50 },
    );
    const from = performance.now();
    const seen = await until('it has read often', async () => {
      const now = await paceIn(world.sql);
      const locks = now?.signals.find((s) => s.name === 'locks');
      return locks?.value === null && performance.now() - from > 3_000 ? now : undefined;
    });
    expect(seen.step).toBe(0);
    expect(lines).toEqual([{ signal: 'locks' }]);
    await pacing.stop();
    return { waiting };
  });
  // With the grant that docs/operations.md names it is seen.
  await world.sql.unsafe(`GRANT pg_monitor TO ${name}`);
  expect((await readPressure(ctx.db, ctx.catalog)).waiting).toBe(0);
  await Promise.all([holder.end(), waiter.end()]);
  await world.sql.unsafe(`REASSIGN OWNED BY ${name} TO postgres; DROP OWNED BY ${name}`);
}, 120_000);
