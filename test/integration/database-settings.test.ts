import { appendFileSync } from 'node:fs';
import postgres from 'postgres';
import { afterEach, expect, inject, it } from 'vitest';
import { measureBacklog } from '../../src/erasure/progress/measure.ts';
import { readOverview } from '../../src/erasure/progress/overview.ts';
import { sweep } from '../../src/erasure/upkeep/sweep.ts';
import { readPressure } from '../../src/pace/pressure.ts';
import { migrate } from '../../src/store/migrate.ts';
import { type Pooler, startPooler } from '../harness/pooler.ts';
import { runVerb } from '../support/command-line.ts';
import { checksum, expectErased, mails, rowsOf } from '../support/evidence.ts';
import { accepted, isFlagged, SMALL, subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { type Call, createWorld, KEYS, type World } from '../support/world.ts';

const DAY = 86_400_000;
/** A busy machine takes its time; a setting that swaps days and months, or moves the zone, is off by hours at least. */
const SOON = 600_000;
const ADMIN = { auth: `Bearer ${KEYS.admin}` };
const POSTS = 1_234;

let world: World;
let pooler: Pooler | undefined;
let role: string;

afterEach(async () => {
  await world.close();
  await pooler?.close();
  pooler = undefined;
  const admin = postgres(inject('postgresUrl'), { max: 1 });
  await admin.unsafe(`DROP ROLE IF EXISTS ${role}`);
  await admin.end();
});

/** A world whose Lethe connects as a role of its own, for which these settings were made; the test's own sessions are as ever. */
async function worldWith(settings: Record<string, string>, env: Record<string, string> = {}): Promise<string> {
  world = await createWorld({ env: { LETHE_UNDO_WINDOW: '2d', LETHE_SLA: '20d', LETHE_CHUNK_ROWS: '300', ...env } });
  const database = world.url.split('/').at(-1) as string;
  role = `role_${database}`;
  await world.sql.unsafe(`CREATE ROLE ${role} SUPERUSER LOGIN PASSWORD 'reader'`);
  for (const [name, value] of Object.entries(settings))
    await world.sql.unsafe(`ALTER ROLE ${role} IN DATABASE ${database} SET ${name} = ${value}`);
  const url = new URL(world.url);
  url.username = role;
  world.env.DATABASE_URL = url.href;
  return database;
}

const near = (text: unknown, wanted: number, within: number) => {
  expect(String(text)).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  expect(Math.abs(Date.parse(String(text)) - wanted), `${text} is near ${new Date(wanted)}`).toBeLessThan(within);
};

/** Request, undo, start, sweep, status, mail, list and gauges: each says what it says without any setting. */
async function wholeFlow(): Promise<void> {
  const call = await world.api();
  await world.worker();
  const { ctx } = await world.domain();

  const small = await subject(world.sql, SMALL);
  const done = await accepted(call, small.account);
  expect(done.answer.body).toMatchObject({ mode: 'immediate' });
  // Where the machine is busy the workers go on with it.
  await until('the small account is erased', async () => {
    const { body } = await call('GET', `/v1/erasures/${done.id}`, ADMIN);
    return body.state === 'completed';
  });
  await expectErased(world.sql, small.account, done.id, small.before);

  const undone = await subject(world.sql, POSTS);
  const asked = await accepted(call, undone.account);
  await checkTimes(call, asked.id, asked.answer.body);
  expect((await call('DELETE', asked.link, { auth: null })).body).toMatchObject({ state: 'cancelled' });
  expect(await isFlagged(world.sql, undone.account)).toBe(false);

  const owner = await subject(world.sql, POSTS);
  const waiting = await accepted(call, owner.account);
  const large = await subject(world.sql, POSTS);
  const started = await accepted(call, large.account);
  expect(await sweep(ctx, async () => {})).toMatchObject({ started: 0, retried: 0, scrubbed: 0 });
  await world.sql`UPDATE lethe.erasure SET starts_at = now() - interval '5 minutes' WHERE id = ${started.id}`;
  const status = await until('the large account is erased', async () => {
    const { body } = await call('GET', `/v1/erasures/${started.id}`, ADMIN);
    return body.state === 'completed' && body;
  });
  const rows = POSTS + 6;
  expect(status).toMatchObject({ progress: { rowsDeleted: rows, rowsPlanned: rows, percent: 100 } });
  near(status.completedAt, Date.now(), SOON);
  await expectErased(world.sql, large.account, started.id, large.before);
  expect(await checksum(world.sql, large.bystander)).toBe(large.sum);
  await until('both are told', async () => {
    const to = (await mails(world.outbox)).filter((m) => /erased|deleted/i.test(m.subject)).map((m) => m.to);
    return to.includes(large.email) && to.includes(small.email);
  });

  const list = await call('GET', '/v1/erasures', ADMIN);
  expect((list.body.erasures as { id: string }[]).map(({ id }) => id)).toEqual([
    started.id,
    waiting.id,
    asked.id,
    done.id,
  ]);
  const ran = await runVerb(world.env, ['list', '--json']);
  expect(ran).toMatchObject({ code: 0, err: '' });
  near(JSON.parse(ran.out).erasures[0].requestedAt, Date.now(), SOON);
  const plan = await runVerb(world.env, ['plan', owner.account, '--json']);
  expect(JSON.parse(plan.out)).toMatchObject({ rows: POSTS + 4, erasure: { id: waiting.id } });

  const gauges = await measureBacklog(ctx.db);
  expect(gauges).toMatchObject({ states: { scheduled: 1, running: 0 }, dueNotStarted: 0, overdueErasures: 0 });
  expect(gauges.oldestLive).toBeLessThan(SOON / 1000);
  near(new Date((gauges.sweepDoneAt as number) * 1000).toISOString(), Date.now(), SOON);
  near((await readOverview(ctx.db)).sweptAt?.toISOString(), Date.now(), SOON);
  const { lsn, checkpoints } = await readPressure(ctx.db, ctx.catalog);
  const [log] = await world.sql`SELECT pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0')::text AS lsn`;
  expect(lsn / Number(log?.lsn)).toBeCloseTo(1, 2);
  expect(checkpoints).toMatchObject({ walBytes: expect.any(Number), warningSeconds: 30 });
}

async function checkTimes(call: Call, id: string, body: Record<string, unknown>): Promise<void> {
  const { body: read } = await call('GET', `/v1/erasures/${id}`, ADMIN);
  for (const said of [body, read]) {
    near(said.requestedAt, Date.now(), SOON);
    near(said.dueAt, Date.now() + 20 * DAY, SOON);
    const waits = Date.parse(String(said.startsAt)) - Date.now();
    expect(waits).toBeGreaterThan(2 * DAY - SOON);
    expect(waits).toBeLessThan(2 * DAY + 3_600_000 + SOON);
  }
  const [stored] = await world.sql`
    SELECT (requested_at BETWEEN now() - interval '10 minutes' AND now()) AS now,
           (starts_at BETWEEN now() + interval '47 hours' AND now() + interval '49 hours') AS later
      FROM lethe.erasure WHERE id = ${id}`;
  expect(stored).toEqual({ now: true, later: true });
}

it.each<[string, string]>([
  ['DateStyle', "'SQL, DMY'"],
  ['DateStyle', "'German'"],
  ['DateStyle', "'Postgres, MDY'"],
  ['TimeZone', "'Asia/Kathmandu'"],
  ['IntervalStyle', "'sql_standard'"],
  ['bytea_output', "'escape'"],
  ['extra_float_digits', '-15'],
  ['standard_conforming_strings', 'off'],
  ['search_path', "''"],
  ['client_encoding', "'LATIN1'"],
  ['row_security', 'off'],
  ['default_transaction_isolation', "'serializable'"],
  ['default_transaction_deferrable', 'on'],
  ['plan_cache_mode', "'force_generic_plan'"],
  ['synchronous_commit', 'off'],
  ['quote_all_identifiers', 'on'],
  ['array_nulls', 'off'],
  ['transform_null_equals', 'on'],
  ['lock_timeout', "'20ms'"],
  ['statement_timeout', "'5s'"],
  ['idle_in_transaction_session_timeout', "'500ms'"],
  ['transaction_timeout', "'2s'"],
])('an erasure is the same whatever the role sets: %s = %s', async (name, value) => {
  await worldWith({ [name]: value });
  await wholeFlow();
});

it('an erasure is the same whatever the role tells the planner', async () => {
  const off = ['seqscan', 'indexscan', 'indexonlyscan', 'bitmapscan', 'nestloop', 'hashjoin', 'sort', 'material'];
  await worldWith({
    ...Object.fromEntries(off.map((name) => [`enable_${name}`, 'off'])),
    jit: 'on',
    jit_above_cost: '0',
  });
  await wholeFlow();
});

it('an erasure is the same behind a pooler whose sessions have another DateStyle and time zone', async () => {
  await worldWith({ DateStyle: "'SQL, DMY'", TimeZone: "'Asia/Kathmandu'", extra_float_digits: '-15' });
  const url = new URL(world.env.DATABASE_URL as string);
  pooler = await startPooler(Number(url.port), [role]);
  url.port = String(pooler.port);
  world.env.DATABASE_URL = url.href;
  await wholeFlow();
});

it('triggers of the application see what the role sets, while durability and plans are not left to it', async () => {
  const ours = { synchronous_commit: 'off', plan_cache_mode: "'force_generic_plan'", jit: 'on' };
  await worldWith({ ...ours, search_path: 'app, public', DateStyle: "'German'", TimeZone: "'Asia/Kathmandu'" });
  await world.sql.unsafe(`
    CREATE SCHEMA app;
    CREATE TABLE app.seen (name text, value text);
    CREATE FUNCTION app.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      INSERT INTO seen SELECT name, setting FROM pg_settings
       WHERE name IN ('synchronous_commit', 'plan_cache_mode', 'jit', 'search_path', 'DateStyle', 'TimeZone');
      RETURN OLD; END $$;
    CREATE TRIGGER note BEFORE DELETE ON posts FOR EACH ROW EXECUTE FUNCTION app.note()`);
  appendFileSync(world.env.LETHE_CATALOG as string, 'ignore: [{ table: app.seen, reason: settings only }]\n');
  const { account } = await subject(world.sql, SMALL);
  const { answer } = await accepted(await world.api(), account);
  expect(answer.body).toMatchObject({ state: 'completed' });
  const seen = await world.sql<{ name: string; value: string }[]>`SELECT DISTINCT name, value FROM app.seen`;
  expect(Object.fromEntries(seen.map(({ name, value }) => [name, value]))).toEqual({
    synchronous_commit: 'on',
    plan_cache_mode: 'auto',
    jit: 'off',
    search_path: 'app, public',
    DateStyle: 'German, DMY',
    TimeZone: 'Asia/Kathmandu',
  });
});

it('a role whose sessions skip foreign keys and triggers is refused at start, and later by each transaction', async () => {
  const database = await worldWith({});
  const call = await world.api();
  const { account, before } = await subject(world.sql, SMALL);
  await world.sql.unsafe(`ALTER ROLE ${role} IN DATABASE ${database} SET session_replication_role = replica`);
  await world.sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'lethe-%' AND usename = ${role}`;
  const refused = await until('a new session answers', async () => {
    const answer = await call('POST', `/v1/accounts/${account}/erasure`, { body: {} });
    return answer.status === 500 && answer;
  });
  expect(refused.body).toMatchObject({ code: 'database_error' });
  expect(await rowsOf(world.sql, account)).toEqual(before);
  await expect(world.api()).rejects.toThrow(/^DATABASE_URL: session_replication_role is replica/);
});

it('row security on tables of Lethe’s own, which would hide rows from a role, is refused at start', async () => {
  await worldWith({});
  await world.sql.unsafe(`
    ALTER ROLE ${role} NOSUPERUSER;
    GRANT USAGE ON SCHEMA lethe, lethe_migrations TO ${role};
    GRANT ALL ON ALL TABLES IN SCHEMA public, lethe, lethe_migrations TO ${role};
    ALTER TABLE lethe.erasure ENABLE ROW LEVEL SECURITY`);
  await expect(world.api()).rejects.toThrow(
    /^lethe.erasure: row level security is active .* DISABLE ROW LEVEL SECURITY$/,
  );
  await world.sql.unsafe('ALTER TABLE lethe.erasure DISABLE ROW LEVEL SECURITY');
  await world.api();
  await world.sql.unsafe(`DROP OWNED BY ${role}`);
});

it('a migration waits for another one and takes its time, whatever limits the role has', async () => {
  await worldWith({ statement_timeout: "'50ms'", lock_timeout: "'10ms'" });
  await world.sql`DROP SCHEMA lethe, lethe_migrations CASCADE`;
  const other = await world.sql.reserve();
  await other`SELECT pg_advisory_lock(7305221)`;
  const migrated = migrate(world.env.DATABASE_URL as string);
  migrated.catch(() => {});
  const [waited] = await until('it waits', async () => {
    const rows = await world.sql`SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`;
    return rows.length > 0 && rows;
  });
  await until('it has waited for longer than the limits', async () => {
    const [row] = await world.sql<{ long: boolean }[]>`
      SELECT now() - waitstart > interval '200 milliseconds' AS long FROM pg_locks WHERE pid = ${waited?.pid} AND NOT granted`;
    return row?.long;
  });
  await other`SELECT pg_advisory_unlock(7305221)`;
  other.release();
  expect(await migrated).toBeGreaterThan(5);
});

it('a database that became read-only is said so: not ready, 503 with the reason, and refused at start', async () => {
  const database = await worldWith({}, { LETHE_METRICS_PORT: '0' });
  const call = await world.api();
  const worker = await world.worker();
  const { account, before } = await subject(world.sql, SMALL);
  await world.sql.unsafe(`ALTER ROLE ${role} IN DATABASE ${database} SET default_transaction_read_only = on`);
  await world.sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'lethe-%' AND usename = ${role}`;
  const refused = await until('it refuses', async () => {
    const answer = await call('POST', `/v1/accounts/${account}/erasure`, { body: {} });
    return /read-only/.test(String(answer.body.detail)) && answer;
  });
  expect(refused).toMatchObject({
    status: 503,
    body: {
      code: 'database_unavailable',
      title: 'The database is not available',
      detail: 'the database is read-only (25006)',
    },
  });
  for (const url of [`${call.base}/readyz`, `http://127.0.0.1:${worker.metricsPort}/readyz`])
    await until('it is not ready', async () => {
      const answer = await fetch(url);
      const body = (await answer.json()) as Record<string, string>;
      return answer.status === 503 && body.status === 'unavailable' && body.postgres === 'read-only';
    });
  expect(await rowsOf(world.sql, account)).toEqual(before);
  await expect(world.api()).rejects.toThrow(/^DATABASE_URL: the database is read-only/);
  const ran = await runVerb(world.env, ['erase', account, '--yes']);
  expect(ran).toMatchObject({ code: expect.any(Number), err: expect.stringContaining('read-only') });
  await world.sql.unsafe(`ALTER ROLE ${role} IN DATABASE ${database} RESET default_transaction_read_only`);
  await world.sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'lethe-%' AND usename = ${role}`;
  await until(
    'it accepts again',
    async () => (await call('POST', `/v1/accounts/${account}/erasure`, { body: {} })).status === 200,
  );
});
