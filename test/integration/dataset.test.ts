import { mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildDay } from '../../src/dataset/build-day.ts';
import { buildDue } from '../../src/dataset/build-due.ts';
import { dayOf } from '../../src/dataset/days.ts';
import { openFolder } from '../../src/dataset/folder.ts';
import { readStanding } from '../../src/dataset/partitions.ts';
import type { Resources } from '../../src/resources.ts';
import { runVerb } from '../support/command-line.ts';
import { datasetFolder, duckdb, recordErased, recordMany } from '../support/dataset.ts';
import { SNIPPETS } from '../support/snippets.ts';
import { createWorld, READER_CATALOG, type World } from '../support/world.ts';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const today = dayOf(Date.now());
const daysAgo = (n: number) => dayOf(Date.parse(`${today}T00:00:00Z`) - n * DAY_MS);

const dataset = datasetFolder();
let world: World;
let domain: Resources;
const building = (folder = dataset.folder) => ({
  db: domain.ctx.db,
  settings: domain.ctx.settings,
  destination: openFolder(folder),
  log: domain.ctx.log,
});
const build = (day: string, now = new Date()) => buildDay(building(), day, now);
const cli = (...args: string[]) => runVerb(world.env, ['dataset', ...args]);

beforeAll(async () => {
  const catalog = `${READER_CATALOG}\ndataset: { owner: warehouse, folder: ${JSON.stringify(dataset.folder)} }\n`;
  world = await createWorld({ catalog });
  domain = await world.domain();
  // Written long ago, so that days before it are due.
  await recordErased(world.sql, [{ key: 'first', at: `${daysAgo(6)}T12:00:00Z` }]);
});
afterAll(async () => {
  await world.close();
  rmSync(dataset.folder, { recursive: true, force: true });
});

describe('a day of the dataset', () => {
  const day = daysAgo(3);

  it('has each erasure as Parquet and as lines, which are the same row for row', async () => {
    const at = (time: string) => `${day}T${time}Z`;
    await recordErased(world.sql, [
      { key: '3', at: at('23:59:59.999999'), locations: ['public."a, b"', '💥 "quoted"\n', 'search'] },
      { key: 'tenant%2C1,7', at: at('12:00:00.000001') },
      { key: 'it\'s "quoted"\nand 💥 \\ \u2028', at: at('12:00:00.000001'), locations: [] },
      { key: null, at: at('00:00:00'), digest: null },
      // Of other days.
      { key: 'before', at: `${daysAgo(4)}T23:59:59.999999Z` },
      { key: 'after', at: `${daysAgo(2)}T00:00:00Z` },
    ]);
    const [old] = await recordErased(world.sql, [{ key: 'older', at: at('00:00:00.5'), locations: null }]);
    const tasks = [
      ['public.posts', 'delete'],
      ['public.invoices', 'keep'],
      ['search', 'set'],
      ['public.users', 'delete'],
    ];
    for (const [location, action] of tasks)
      await world.sql`INSERT INTO lethe.task (erasure_id, location, kind, action, owner, stage, state, due_at)
        VALUES (${old as string}, ${location as string}, 'table', ${action as string}, 'o', 0, 'done', now())`;

    const { manifest, changed } = await build(day);
    expect(changed).toBe(true);
    expect(manifest).toMatchObject({ schema: 1, date: day, revision: 1, rows: 5, keys: true, restates: null });
    expect(dataset.manifest(day)).toEqual(manifest);
    const lines = dataset.lines(day);
    expect(lines.map(({ key }) => key)).toEqual([
      null,
      'older',
      'tenant%2C1,7',
      'it\'s "quoted"\nand 💥 \\ \u2028',
      '3',
    ]);
    expect(lines[0]).toEqual({
      key: null,
      digest: null,
      requested_at: `${daysAgo(4)}T22:59:59.999877Z`,
      erased_at: at('00:00:00.000000'),
      locations: ['public.posts', 'public.users'],
      outcome: 'erased',
    });
    expect(lines.map(({ locations }) => locations)).toEqual([
      ['public.posts', 'public.users'],
      ['public.posts', 'search', 'public.users'],
      ['public.posts', 'public.users'],
      [],
      ['public."a, b"', '💥 "quoted"\n', 'search'],
    ]);
    expect(await differing(day)).toEqual([{ rows: '5', differing: '0' }]);
    const types = await duckdb(`DESCRIBE SELECT * FROM '${dataset.of(day)}/*.parquet'`);
    expect(types.map((column) => [column.column_name, column.column_type])).toEqual([
      ['key', 'VARCHAR'],
      ['digest', 'VARCHAR'],
      ['requested_at', 'TIMESTAMP WITH TIME ZONE'],
      ['erased_at', 'TIMESTAMP WITH TIME ZONE'],
      ['locations', 'VARCHAR[]'],
      ['outcome', 'VARCHAR'],
      // Of the folder's name.
      ['dt', 'DATE'],
    ]);
  });

  it('has the same bytes when it is built again, and again in an empty folder', async () => {
    const before = dataset.checksums(day);
    expect((await build(day)).changed).toBe(false);
    expect(dataset.checksums(day)).toEqual(before);
    const other = datasetFolder();
    await world.sql`DELETE FROM lethe.dataset_partition`;
    await buildDay(building(other.folder), day, new Date());
    expect(other.checksums(day)).toEqual(before);
    rmSync(other.folder, { recursive: true });
  });

  it('is restated when an event is committed late, and its old files stay for who reads them', async () => {
    const before = dataset.manifest(day);
    await recordErased(world.sql, [{ key: 'late', at: `${day}T12:00:00Z` }]);
    await buildDue(building());
    const after = dataset.manifest(day);
    expect(after).toMatchObject({
      revision: 2,
      rows: 6,
      restates: { revision: 1, rows: 5, reason: 'late', words: 'events were committed after it was built' },
    });
    expect(dataset.names(day)).toEqual(
      [...before.files, ...after.files]
        .map(({ name }) => name)
        .concat('manifest.json')
        .sort(),
    );
    expect(dataset.lines(day).map(({ key }) => key)).toContain('late');

    // The manifest that named them was replaced long ago, and so nobody reads them any more.
    const old = new Date(Date.now() - 21 * HOUR_MS);
    for (const name of dataset.names(day)) utimesSync(join(dataset.of(day), name), old, old);
    writeFileSync(join(dataset.of(day), 'notes.txt'), 'of somebody else');
    await buildDue(building());
    expect(dataset.names(day)).toEqual([...after.files.map(({ name }) => name), 'manifest.json', 'notes.txt'].sort());
    rmSync(join(dataset.of(day), 'notes.txt'));
  });

  it('is built again when its manifest, a file or a part of one is gone', async () => {
    const before = dataset.checksums(day);
    const [parquet] = dataset.manifest(day).files.map(({ name }) => join(dataset.of(day), name));
    rmSync(parquet as string);
    expect(await buildDue(building())).toMatchObject({ built: 1 });
    expect(dataset.checksums(day)).toEqual(before);
    writeFileSync(parquet as string, 'half');
    expect(await buildDue(building())).toMatchObject({ built: 1 });
    expect(dataset.checksums(day)).toEqual(before);
    for (const text of [null, '', '<!doctype html>', '{"schema": 1}']) {
      if (text === null) rmSync(join(dataset.of(day), 'manifest.json'));
      else writeFileSync(join(dataset.of(day), 'manifest.json'), text);
      expect(await buildDue(building()), String(text)).toMatchObject({ built: 1 });
    }
    // Who has seen revision 2 must not take a newer one for older.
    expect(dataset.manifest(day)).toMatchObject({ revision: 6, rows: 6, restates: { revision: 5, reason: 'lost' } });
    expect(await differing(day)).toEqual([{ rows: '6', differing: '0' }]);
  });

  it('has no row and no file where nothing was erased, and its manifest all the same', async () => {
    expect(dataset.manifest(daysAgo(5))).toMatchObject({ rows: 0, files: [], revision: 1 });
    expect(dataset.names(daysAgo(5))).toEqual(['manifest.json']);
    expect(readdirSync(dataset.folder)).toHaveLength(6);
  });

  it('is written without keys after the retention of the ledger, without digests after that of the evidence', async () => {
    const [row] = dataset.lines(day);
    const begin = Date.parse(`${day}T00:00:00Z`);
    await build(day, new Date(begin + 35 * DAY_MS - 1));
    expect(dataset.manifest(day)).toMatchObject({ keys: true, digests: true });
    await build(day, new Date(begin + 35 * DAY_MS));
    expect(dataset.manifest(day)).toMatchObject({ keys: false, digests: true, restates: { reason: 'retention' } });
    expect(dataset.lines(day)[0]).toEqual({ ...row, key: null });
    expect(dataset.lines(day).every(({ key }) => key === null)).toBe(true);
    // A longer retention does not bring them back: the ledger has forgotten them.
    await build(day);
    expect(dataset.manifest(day)).toMatchObject({ keys: false });
    await build(day, new Date(begin + 1096 * DAY_MS));
    expect(dataset.manifest(day)).toMatchObject({ keys: false, digests: false });
    expect(dataset.lines(day).every(({ digest }) => digest === null)).toBe(true);
    expect(await differing(day)).toEqual([{ rows: '6', differing: '0' }]);
  });

  it('is written without keys by the daily job, once it is older than the retention', async () => {
    const old = daysAgo(40);
    await recordErased(world.sql, [{ key: 'ancient', at: `${old}T12:00:00Z` }]);
    await build(old, new Date(Date.parse(`${old}T00:00:00Z`) + DAY_MS));
    expect(dataset.lines(old)[0]).toMatchObject({ key: 'ancient' });
    expect(await buildDue(building())).toMatchObject({ built: 1 });
    expect(dataset.lines(old)[0]).toMatchObject({ key: null });
    expect(await buildDue(building())).toMatchObject({ built: 0 });
  });

  it('keeps no keys behind a manifest that cannot be read', async () => {
    const old = daysAgo(41);
    await recordErased(world.sql, [{ key: 'hidden', at: `${old}T12:00:00Z` }]);
    await build(old, new Date(Date.parse(`${old}T00:00:00Z`) + DAY_MS));
    writeFileSync(join(dataset.of(old), 'manifest.json'), '{"schema": 1');
    expect(await buildDue(building())).toMatchObject({ built: 1 });
    expect(dataset.manifest(old)).toMatchObject({ keys: false, restates: { reason: 'lost' } });
    const past = new Date(Date.now() - 21 * HOUR_MS);
    for (const name of dataset.names(old)) utimesSync(join(dataset.of(old), name), past, past);
    await buildDue(building());
    for (const name of dataset.names(old))
      expect(readFileSync(join(dataset.of(old), name), 'utf8')).not.toContain('hidden');
  });

  it('of no real date is no day', async () => {
    const folder = dataset.of('2026-02-30');
    mkdirSync(folder);
    writeFileSync(join(folder, 'manifest.json'), '{}');
    expect(await buildDue(building())).toMatchObject({ built: 0 });
    rmSync(folder, { recursive: true });
  });
});

/** Rows of the day, and those that are not in both formats the same, in the same order. */
async function differing(day: string) {
  const columns = 'key, digest, requested_at, erased_at, locations, outcome';
  const types =
    "{key: 'VARCHAR', digest: 'VARCHAR', requested_at: 'TIMESTAMPTZ', erased_at: 'TIMESTAMPTZ', locations: 'VARCHAR[]', outcome: 'VARCHAR'}";
  const { files } = dataset.manifest(day);
  const named = (format: string) =>
    files.filter((file) => file.format === format).map(({ name }) => `'${dataset.of(day)}/${name}'`);
  return duckdb(`
    WITH p AS (SELECT ${columns}, row_number() OVER () AS n FROM read_parquet([${named('parquet')}])),
         l AS (SELECT ${columns}, row_number() OVER () AS n
                 FROM read_json([${named('ndjson')}], format = 'newline_delimited', columns = ${types}))
    SELECT (SELECT count(*) FROM p)::text AS rows,
           (SELECT count(*) FROM (SELECT * FROM p EXCEPT SELECT * FROM l))
         + (SELECT count(*) FROM (SELECT * FROM l EXCEPT SELECT * FROM p)) AS differing`).then((rows) =>
    rows.map((row) => ({ rows: String(row.rows), differing: String(row.differing) })),
  );
}

describe('many erasures in a day', () => {
  const day = daysAgo(1);

  it('are read page by page without losing one, and leave the process to its other work', async () => {
    await recordMany(world.sql, day, 30_000);
    // Events of one moment, whose ids are not in the order of their times.
    const same = Array.from({ length: 12 }, (_, n) => ({ key: `same-${n}`, at: `${day}T12:00:00Z` }));
    await recordErased(world.sql, [...same, { key: 'early', at: `${day}T00:00:00Z` }]);
    const turns = watchTurns();
    const { manifest } = await build(day);
    const longest = turns.stop();
    expect(manifest.rows).toBe(30_013);
    expect(await differing(day)).toEqual([{ rows: '30013', differing: '0' }]);
    const [distinct] = await duckdb(`SELECT count(DISTINCT key)::text AS keys FROM '${dataset.of(day)}/*.parquet'`);
    expect(distinct).toEqual({ keys: '30013' });
    // Of one thread on a quiet machine it is half of that.
    expect(longest).toBeLessThan(50);
  });
});

/** Milliseconds of processor time that this thread has had: what others on a busy machine have takes nothing of it. */
const ownTime = () => Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[0]) / 1e6;

/** Watches how long one turn of the event loop is at most. */
function watchTurns() {
  let longest = 0;
  let before = ownTime();
  let watching = true;
  const look = () => {
    longest = Math.max(longest, ownTime() - before);
    before = ownTime();
    if (watching) setImmediate(look);
  };
  setImmediate(look);
  return {
    stop: (): number => {
      watching = false;
      return longest;
    },
  };
}

describe('lethe dataset', () => {
  it('builds a day, and says what is there and what is missing', async () => {
    const built = await cli('build', '--date', daysAgo(2));
    expect(built).toMatchObject({ code: 0, err: '' });
    expect(built.out).toBe(
      `${daysAgo(2)}: 1 erasure in the folder ${dataset.folder}, revision 1; nothing has changed.\n`,
    );
    const asJson = await cli('build', '--date', daysAgo(2), '--json');
    expect(JSON.parse(asJson.out)).toEqual(dataset.manifest(daysAgo(2)));
  });

  it('says which days are there, and exits 1 while one is missing', async () => {
    await buildDue(building());
    const whole = await cli('status');
    expect(whole).toMatchObject({ code: 0, err: '' });
    expect(whole.out).toContain(`No day is missing. It is complete until ${today} 00:00:00 UTC.`);
    await world.sql`UPDATE lethe.dataset_partition SET whole = false WHERE day = ${daysAgo(2)}`;
    await world.sql`DELETE FROM lethe.dataset_partition WHERE day = ${daysAgo(1)}`;
    const missing = await cli('status');
    expect(missing.code).toBe(1);
    expect(missing.out).toContain(
      `Missing: ${daysAgo(2)}, ${daysAgo(1)}. It is complete until ${daysAgo(2)} 00:00:00 UTC.`,
    );
    expect(JSON.parse((await cli('status', '--json')).out)).toMatchObject({ missing: [daysAgo(2), daysAgo(1)] });
    expect(await readStanding(domain.ctx.db, domain.ctx.settings)).toMatchObject({
      due: { from: daysAgo(6), to: daysAgo(1) },
      missing: [daysAgo(2), daysAgo(1)],
      completeUntil: new Date(`${daysAgo(2)}T00:00:00Z`),
    });
    await buildDue(building());
  });

  it.each([
    [today, /it has not ended; by the database's clock it is/],
    [dayOf(Date.now() + 30 * DAY_MS), /it has not ended/],
    ['2026-02-30', /expected a date such as 2026-11-27/],
    ['yesterday', /expected a date/],
    ["2026-01-01'; --", /expected a date/],
  ])('refuses to build %s, in one line', async (date, words) => {
    const refused = await cli('build', '--date', date);
    expect(refused).toMatchObject({ code: 2, out: '' });
    expect(refused.err).toMatch(words);
    expect(refused.err.trimEnd().split('\n')).toHaveLength(1);
  });

  it('goes by the clock of the database, whatever that of the machine says', async () => {
    // A name that is looked for before the server's own.
    const [name] = await world.sql`SELECT current_database() AS of`;
    await world.sql`CREATE SCHEMA moved`;
    await world.sql`CREATE FUNCTION moved.now() RETURNS timestamptz LANGUAGE sql
      AS $$ SELECT pg_catalog.now() - interval '1 day' $$`;
    await world.sql`ALTER DATABASE ${world.sql(name?.of)} SET search_path = moved, public, pg_catalog`;
    try {
      const refused = await cli('build', '--date', daysAgo(1));
      expect(refused).toMatchObject({ code: 2 });
      expect(refused.err).toContain(`The newest day that can be built is ${daysAgo(2)}`);
    } finally {
      await world.sql`ALTER DATABASE ${world.sql(name?.of)} RESET search_path`;
    }
  });

  it('builds a day before the first erasure, and says where there is no dataset', async () => {
    expect(await cli('build', '--date', '2020-02-29')).toMatchObject({ code: 0 });
    expect(dataset.manifest('2020-02-29')).toMatchObject({ rows: 0, files: [], keys: false });
    const catalog = join(world.folder, 'without.yaml');
    writeFileSync(catalog, READER_CATALOG);
    const none = await runVerb({ ...world.env, LETHE_CATALOG: catalog }, ['dataset', 'status']);
    expect(none).toMatchObject({ code: 2, err: 'lethe: the catalog has no dataset\n' });
  });
});

describe('docs/dataset.md', () => {
  const snippets = SNIPPETS.filter(({ file }) => file === 'docs/dataset.md');
  const of = (language: string) => snippets.filter((snippet) => snippet.language === language).map(({ text }) => text);

  it('deletes what a warehouse has of erased accounts, and nothing of others', async () => {
    const day = daysAgo(4);
    await recordErased(world.sql, [
      { key: '42', at: `${day}T12:00:00Z` },
      { key: 'it\'s "43" 💥', at: `${day}T13:00:00Z` },
    ]);
    await buildDue(building());
    const [deletes, checks] = of('duckdb').map((text) => text.replaceAll('/exports/dt=2026-11-27', dataset.of(day)));
    const clicks = `CREATE TABLE clicks AS SELECT * FROM (VALUES
      ('42', TIMESTAMPTZ '${day} 09:00:00Z', 'gone'), ('42', TIMESTAMPTZ '${day} 15:00:00Z', 'of somebody new'),
      ('it''s "43" 💥', TIMESTAMPTZ '${day} 09:00:00Z', 'gone'), ('4', TIMESTAMPTZ '${day} 09:00:00Z', 'bystander')
    ) AS of (account_id, clicked_at, what)`;
    const left = await duckdb(clicks, ...statementsOf(deletes), 'SELECT what FROM clicks ORDER BY what');
    expect(left).toEqual([{ what: 'bystander' }, { what: 'of somebody new' }]);
    expect(await duckdb(...statementsOf(checks))).toEqual([]);
    const [{ name } = { name: '' }] = dataset.manifest(day).files;
    writeFileSync(join(dataset.of(day), name), 'not this');
    expect(await duckdb(...statementsOf(checks))).toEqual([{ name }]);
    await buildDue(building());
  });

  it('shows a manifest as it is', () => {
    const [shown] = of('json').map((text) => JSON.parse(text));
    const [real] = [dataset.manifest(daysAgo(3))];
    const keysOf = (value: object | null | undefined) => Object.keys(value ?? {});
    expect(keysOf(shown)).toEqual(keysOf(real));
    expect(keysOf(shown.restates)).toEqual(keysOf(real.restates));
    expect(keysOf(shown.files[0])).toEqual(keysOf(real.files[0]));
  });
});

const statementsOf = (text = ''): string[] => text.split(/;\n/).filter((part) => part.trim() !== '');
