import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { runVerb } from '../support/command-line.ts';
import { canaryCatalog, PLANT } from '../support/test-data.ts';
import { until } from '../support/until.ts';
import { type Call, createWorld, KEYS, READER_CATALOG, type World } from '../support/world.ts';

let world: World;
let call: Call & { base: string };
beforeAll(async () => {
  world = await createWorld({ catalog: canaryCatalog(), env: { CANARY_KEY: KEYS.write } });
  call = await world.api();
});
afterAll(() => world?.close());
beforeEach(() => world.sql`DELETE FROM lethe.canary`);

const lethe = (args: string[], more: Record<string, string> = {}) =>
  runVerb({ ...world.env, LETHE_CANARY_URL: call.base, ...more }, ['canary', ...args]);
const catalogOf = (name: string, text: string) => {
  const LETHE_CATALOG = join(world.folder, `${name}.yaml`);
  writeFileSync(LETHE_CATALOG, text);
  return { LETHE_CATALOG };
};
const cycles = () => world.sql`SELECT * FROM lethe.canary ORDER BY created_at`;
const linesOf = (text: string) => text.trimEnd().split('\n');

describe('lethe canary run', () => {
  it('does a whole cycle with a real API, and prints a line for each step; status shows it', async () => {
    const ran = await lethe(['run']);
    const [cycle] = await cycles();
    expect(ran).toMatchObject({ code: 0, err: '' });
    expect(linesOf(ran.out)).toEqual([
      `Test data ${cycle?.id}`,
      `planted: the account ${cycle?.account_key}`,
      'waiting 1 s until it is asked for',
      expect.stringMatching(/^there before it is erased: (?=.*sessions 2)(?=.*feeds 1)(?=.*posts 3)/),
      `asked for: erasure ${cycle?.erasure_id}`,
      'Passed: all of it is gone.',
    ]);
    expect(await world.sql`SELECT 1 FROM accounts WHERE id = ${cycle?.account_key}`).toHaveLength(0);
    const status = await lethe(['status']);
    expect(status).toMatchObject({ code: 0, err: '' });
    expect(status.out).toMatch(new RegExp(`^\\d{4}-\\d\\d-\\d\\d [\\d:]{8} UTC {2}passed {2}${cycle?.erasure_id}\\n$`));
    const { out } = await lethe(['status', '--json']);
    expect(JSON.parse(out)).toEqual({
      cycles: [expect.objectContaining({ id: cycle?.id, state: 'passed', findings: [], lastWords: null })],
    });
  });

  it('fails with what was found: a statement that adds no row, although all is erased', async () => {
    const empty = "INSERT INTO feeds (account_id, title) SELECT $account, 'x' WHERE false";
    const ran = await lethe(['run'], catalogOf('empty', canaryCatalog([...PLANT, empty])));
    const [cycle] = await cycles();
    expect(ran).toMatchObject({ code: 1, err: '' });
    expect(linesOf(ran.out).slice(-3)).toEqual([
      `asked for: erasure ${cycle?.erasure_id}`,
      'FOUND (planting): statement 5 has added no row',
      'Failed.',
    ]);
    const status = await lethe(['status']);
    expect(status.code).toBe(1);
    expect(linesOf(status.out)[1]).toBe('  (planting): statement 5 has added no row');
  });

  it('fails where the API key may not erase, and says what it needs', async () => {
    const ran = await lethe(['run'], { CANARY_KEY: KEYS.read });
    expect(ran).toMatchObject({ code: 1, err: '' });
    expect(linesOf(ran.out).slice(-2)).toEqual([
      'FOUND (request): the API answered 403 (forbidden): the API key needs the scope erasures:write',
      'Failed.',
    ]);
    const unknown = await lethe(['run'], { CANARY_KEY: 'nobody' });
    expect(unknown.code).toBe(1);
    expect(linesOf(unknown.out).at(-2)).toBe(
      'FOUND (request): the API answered 401 (unauthenticated): canary.key names the variable with the API key',
    );
    expect(unknown.out).not.toContain('nobody');
  });

  it('goes on with the cycle of a worker, and says so: there is one account', async () => {
    const slow = catalogOf('slow', canaryCatalog(PLANT, 'every: 1h, wait: 3s, within: 30s'));
    const worker = await world.worker({ LETHE_CANARY_URL: call.base, ...slow });
    await until('the worker has planted', async () => (await cycles())[0]?.state === 'planted');
    const ran = await lethe(['run'], slow);
    await worker.stop();
    const all = await cycles();
    expect(all).toEqual([expect.objectContaining({ state: 'passed' })]);
    expect(ran).toMatchObject({ code: 0, err: '' });
    expect(linesOf(ran.out).slice(0, 2)).toEqual([
      'A cycle is under way: it is gone on with.',
      `Test data ${all[0]?.id}`,
    ]);
    expect(linesOf(ran.out).at(-1)).toBe('Passed: all of it is gone.');
    const erasures = await world.sql`SELECT 1 FROM lethe.erasure WHERE account_key = ${all[0]?.account_key}`;
    expect(erasures).toHaveLength(1);
  });

  it('says in one line why nothing can be planted, with exit code 2', async () => {
    const nothing = { code: 2, out: '' };
    expect(await lethe(['run'], catalogOf('without', READER_CATALOG))).toEqual({
      ...nothing,
      err: 'lethe: the catalog has no canary: docs/test-data.md\n',
    });
    const missing = 'CANARY_KEY: required by canary, an API key with the scope erasures:write';
    expect(await lethe(['run'], { CANARY_KEY: '' })).toEqual({ ...nothing, err: `lethe: ${missing}\n` });
    await expect(world.worker({ CANARY_KEY: '' })).rejects.toMatchObject({ name: 'UsageError', problems: [missing] });
    const worker = world.spawn(['worker'], { CANARY_KEY: '' });
    expect(await worker.exited).toBe(2);
    expect(worker.output()).toContain(`lethe: ${missing}\n`);
    expect(await cycles()).toEqual([]);
    expect(await lethe(['status'])).toEqual({ code: 0, out: 'No test data was planted.\n', err: '' });
  });
});

describe('LETHE_CANARY_DATABASE_URL', () => {
  it('of another database plants nothing there: it is a finding', async () => {
    const other = await createWorld();
    const accounts = async () =>
      Promise.all([world, other].map(async ({ sql }) => (await sql`SELECT 1 FROM accounts`).length));
    try {
      const before = await accounts();
      const ran = await lethe(['run'], { LETHE_CANARY_DATABASE_URL: other.url });
      expect(ran).toMatchObject({ code: 1, err: '' });
      expect(linesOf(ran.out).slice(1)).toEqual([
        'FOUND (planting): LETHE_CANARY_DATABASE_URL: expected the database of DATABASE_URL',
        'Failed.',
      ]);
      expect(await accounts()).toEqual(before);
    } finally {
      await other.close();
    }
  });

  it.each<[string, (url: URL) => void, string]>([
    [
      'a server that is away',
      (url) => {
        url.port = '1';
      },
      'ECONNREFUSED',
    ],
    [
      'a role that there is not',
      (url) => {
        url.username = 'nobody_at_all';
      },
      'the server refuses the user, the password or the database (28P01); where it wants TLS, add ?sslmode=require',
    ],
  ])('of %s is said while it is tried again, and is a finding after two minutes', async (_, change, words) => {
    const url = new URL(world.url);
    change(url);
    let told = false;
    const pass = async () => {
      await world.sql`UPDATE lethe.canary SET created_at = now() - interval '3 minutes', next_at = now()`;
    };
    const ran = await runVerb(
      { ...world.env, LETHE_CANARY_URL: call.base, LETHE_CANARY_DATABASE_URL: url.href },
      ['canary', 'run'],
      {
        onOutput: (out) => {
          if (!told && out.includes('not yet')) void pass();
          told = out.includes('not yet');
        },
      },
    );
    expect(ran).toMatchObject({ code: 1, err: '' });
    expect(linesOf(ran.out).slice(1)).toEqual([
      `  not yet: LETHE_CANARY_DATABASE_URL: ${words}`,
      `FOUND (planting): LETHE_CANARY_DATABASE_URL: ${words}`,
      'Failed.',
    ]);
  });
});
