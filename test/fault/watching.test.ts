import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { stop } from '../../dev/process.ts';
import { addPast, endDay } from '../harness/watched.ts';
import { json, type Received } from '../support/partner-behaviours.ts';
import { type PartnerServer, startPartner } from '../support/partner-server.ts';
import { newSecret } from '../support/partner-world.ts';
import { until } from '../support/until.ts';
import { createWorld, KEYS, READER_CATALOG, type World } from '../support/world.ts';

const PLANT = [
  "INSERT INTO accounts (email) VALUES ($marker || '@canary.test') RETURNING id",
  'INSERT INTO sessions (account_id) SELECT $account::bigint FROM generate_series(1, 2)',
];
const folder = mkdtempSync(join(tmpdir(), 'lethe-dataset-'));
const secret = newSecret();
let partner: PartnerServer;
let world: World;
let base: string;

beforeAll(async () => {
  partner = await startPartner({ secret });
  mkdirSync(folder, { recursive: true });
  world = await createWorld({
    catalog: [
      READER_CATALOG.trimEnd(),
      `  - { partner: search, owner: search, http: { url: "${partner.url}", canary: "${partner.url}", secret: "env:SEARCH_SECRET", timeout: 20s } }`,
      'canary:',
      '  { owner: pipeline, every: 1h, wait: 1s, within: 5m, key: env:CANARY_KEY, plant: [',
      `    ${PLANT.map((statement) => JSON.stringify(statement)).join(',\n    ')}] }`,
      `dataset: { owner: warehouse, folder: ${JSON.stringify(folder)} }`,
      '',
    ].join('\n'),
    env: {
      LETHE_PRIVATE_HOSTS: '127.0.0.1',
      SEARCH_SECRET: secret,
      CANARY_KEY: KEYS.write,
      LETHE_DATASET_CRON: '* * * * * *',
    },
  });
  // The first events of all: from their day on there must be a dataset.
  await addPast(world.sql, 2, 5);
  await addPast(world.sql, 1, 7);
  ({ base } = (await world.api()) as unknown as { base: string });
});
afterAll(async () => {
  await world.close();
  await partner.close();
});

type Running = ReturnType<World['spawn']>;
const working: Running[] = [];
const worker = (env: Record<string, string> = {}) => {
  const started = world.spawn(['worker'], { LETHE_CANARY_URL: base, ...env });
  working.push(started);
  return started;
};
afterEach(async () => {
  await Promise.all(working.splice(0).map((one) => stop(one)));
});

/** Plants and erases as the contract has it: what was planted is there until its erasure was asked for. */
let kept = false;
const well = async ({ received: { message }, response }: { received: Received; response: never }) => {
  const { id, type } = message as unknown as { id: string; type: string };
  if (type !== 'lethe.canary.look') kept = type === 'lethe.canary.plant';
  const looked = kept ? 'present' : 'absent';
  const status = { 'lethe.canary.plant': 'planted', 'lethe.canary.look': looked }[type] ?? 'erased';
  return json(response, 200, { task: id, status, ...(status === 'planted' ? { items: 1 } : {}) });
};
const asked = (type: string) =>
  partner.received.filter(({ message }) => (message as unknown as { type?: string } | undefined)?.type === type);

describe('test data', () => {
  it('is planted once by two workers, when one is killed while a partner hangs', async () => {
    const { sql } = world;
    await sql`CREATE TABLE planted (n int)`;
    await sql.unsafe(`CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO planted VALUES (1); RETURN NULL; END';
      CREATE TRIGGER note AFTER INSERT ON accounts FOR EACH ROW WHEN (NEW.email LIKE '%@canary.test') EXECUTE FUNCTION note()`);
    partner.behave('hang');
    const both = [worker(), worker()];
    await until('the partner was asked to plant', () => asked('lethe.canary.plant').length > 0);
    const [duty] = await sql<{ holder: string }[]>`SELECT holder FROM lethe.duty WHERE name = 'canary'`;
    const holder = both.find(({ pid }) => duty?.holder.includes(`-${pid}-`));
    holder?.child.kill('SIGKILL');
    await holder?.exited;
    partner.behave(well as never);
    // Half a minute of a holder that died.
    await sql`UPDATE lethe.duty SET held_until = now() WHERE name = 'canary' AND holder = ${duty?.holder ?? ''}`;
    const [cycle] = await until('the cycle is over', async () => {
      await sql`UPDATE lethe.canary SET next_at = now() WHERE next_at > now() + interval '2 seconds'`;
      const rows = await sql`SELECT state, findings FROM lethe.canary WHERE finished_at IS NOT NULL`;
      return rows.length > 0 ? rows : null;
    });
    expect(holder).toBeDefined();
    expect(cycle).toEqual({ state: 'passed', findings: [] });
    expect(await sql`SELECT n FROM planted`).toHaveLength(1);
    expect(await sql`SELECT id FROM lethe.canary`).toHaveLength(1);
    expect(new Set(asked('lethe.canary.plant').map(({ message }) => message?.id)).size).toBe(1);
    expect(await sql`SELECT id FROM lethe.erasure WHERE canary`).toHaveLength(1);
    expect(await sql`SELECT 1 FROM lethe.notification`).toEqual([]);
    expect(existsSync(world.outbox) ? readdirSync(world.outbox) : []).toEqual([]);
  }, 90_000);
});

const manifestOf = (day: string) => JSON.parse(readFileSync(join(folder, `dt=${day}`, 'manifest.json'), 'utf8'));
const days = () => readdirSync(folder).filter((name) => existsSync(join(folder, name, 'manifest.json')));

describe("across a day's end", () => {
  it('what ended is said by the database, whatever the clocks of two workers say', async () => {
    const { sql } = world;
    await addPast(sql, 0, 3);
    const [today] = await sql<{ day: string; before: string; first: string }[]>`
      SELECT to_char(d, 'YYYY-MM-DD') AS day, to_char(d - interval '1 day', 'YYYY-MM-DD') AS before,
             to_char(d - interval '2 days', 'YYYY-MM-DD') AS first FROM (SELECT now() AT TIME ZONE 'UTC' AS d) t`;
    const { day, before, first } = today as { day: string; before: string; first: string };
    const clock = `--import ${pathToFileURL(resolve('test/harness/clock.mjs'))}`;
    for (const days of [2, -2]) worker({ NODE_OPTIONS: clock, CLOCK_MOVED_MS: String(days * 86_400_000) });
    await until('the days are there', () => [first, before].every((name) => days().includes(`dt=${name}`)));
    expect([manifestOf(first).rows, manifestOf(before).rows]).toEqual([5, 7]);
    expect(days()).not.toContain(`dt=${day}`);

    const [{ n = 0 } = {}] = await sql<{ n: number }[]>`
      SELECT count(*)::int AS n FROM lethe.event WHERE type = 'account.erased' AND at >= date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'`;
    await endDay(sql);
    await until('the day is restated', () => manifestOf(before).revision > 1);
    expect(manifestOf(before)).toMatchObject({ rows: 7 + n, restates: { rows: 7 } });
    expect(manifestOf(first).revision).toBe(1);
  }, 90_000);
});
