import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tablesOf } from '../../src/catalog/live/declared.ts';
import { loadCatalog, parseCatalog } from '../../src/catalog/load.ts';
import { UsageError } from '../../src/errors.ts';

const ACCOUNT = 'account: { table: accounts, key: id }';
const POSTS = '{ table: posts, account: account_id, owner: reader }';
const withLocations = (...locations: string[]) =>
  `${ACCOUNT}\nlocations:\n${locations.map((l) => `  - ${l}`).join('\n')}\n`;
const withAccount = (fields: string) => `account: ${fields}\nlocations: [${POSTS}]\n`;

function problemsOf(read: () => unknown): readonly string[] {
  try {
    read();
  } catch (error) {
    if (error instanceof UsageError) return error.problems;
    throw error;
  }
  throw new Error('the catalog was accepted');
}

describe('parseCatalog', () => {
  it('reads what is written and fills in the defaults', () => {
    const catalog = parseCatalog(
      withLocations('{ table: sessions, account: account_id, owner: identity, at: request, sla: 24h }', POSTS),
    );
    expect(catalog.account).toEqual({ table: 'accounts', key: 'id', threshold: 1000 });
    expect(catalog.locations).toEqual([
      {
        table: 'sessions',
        account: 'account_id',
        owner: 'identity',
        at: 'request',
        sla: 86_400_000,
        action: 'delete',
      },
      { table: 'posts', account: 'account_id', owner: 'reader', action: 'delete' },
    ]);
  });

  it('has a digest of the content, not of the writing', () => {
    const { digest } = parseCatalog(withLocations(POSTS));
    expect(digest).toMatch(/^[0-9a-f]{16}$/);
    expect(parseCatalog(`# a comment\n${withLocations(POSTS)}`).digest).toBe(digest);
    expect(parseCatalog(withLocations(POSTS.replace('reader', 'forum'))).digest).not.toBe(digest);
  });

  it.each<[string, string, RegExp]>([
    ['an empty file', '', /^cat: the file: expected keys with values, found nothing$/],
    ['a list', '- a\n- b\n', /^cat: the file: expected keys with values, found a list$/],
    ['broken YAML', `${ACCOUNT}\nlocations: [`, /^cat: .* at line \d+, column \d+/],
    ['tabs as indentation', 'account:\n\ttable: accounts\n', /^cat: .* at line 2, column 1/],
    ['a key twice', `${ACCOUNT}\n${ACCOUNT}\nlocations: [${POSTS}]`, /^cat: Map keys must be unique at line 2/],
    ['an alias that is nowhere defined', `${ACCOUNT}\nlocations: *nothing\n`, /^cat: .*nothing/],
    ['no account', `locations: [${POSTS}]\n`, /^cat: account: say where the accounts are: account: /],
    ['no locations', `${ACCOUNT}\n`, /^cat: locations: list the tables /],
    ['an empty list of locations', `${ACCOUNT}\nlocations: []\n`, /^cat: locations: list the tables /],
    [
      'an unknown key',
      `${withLocations(POSTS)}extra: 1\n`,
      /^cat: the file: unknown key extra; known are account, locations, ignore, owners, canary, dataset$/,
    ],
    [
      'an unknown key of the account',
      withAccount('{ table: accounts, key: id, mail: x }'),
      /^cat: account: unknown key mail: email\?$/,
    ],
    [
      'an unknown key of a location',
      withLocations(POSTS, '{ table: b, account: c, owner: d, acount: e }'),
      /^cat: locations\.1: b: unknown key acount: account\?$/,
    ],
    [
      'no account table',
      withAccount('{ key: id }'),
      /^cat: account\.table: say which table has a row for each account: table: users$/,
    ],
    [
      'no account key',
      withAccount('{ table: accounts }'),
      /^cat: account\.key: say which column is the account's key: key: id$/,
    ],
    [
      'an empty list for a table',
      withAccount('{ table: [], key: id }'),
      /^cat: account\.table: say which table has a row for each account: table: users$/,
    ],
    ['an empty key', withAccount('{ table: accounts, key: "" }'), /^cat: account\.key: /],
    [
      'no owner',
      withLocations('{ table: posts, account: account_id }'),
      /^cat: locations\.0\.owner: posts: say who answers for it: owner: shop$/,
    ],
    [
      'no account column',
      withLocations(POSTS, '{ table: b, owner: d }'),
      /^cat: locations\.1\.account: b: say which column holds the account's key: account: user_id$/,
    ],
    [
      'no table',
      withLocations('{ account: account_id, owner: reader }'),
      /^cat: locations\.0\.table: say which table it is: table: orders$/,
    ],
    [
      'a table with two dots',
      withLocations(POSTS.replace('posts', 'a.b.c')),
      /^cat: locations\.0\.table: .*schema\.table/,
    ],
    ['a table with a space', withAccount('{ table: "my accounts", key: id }'), /^cat: account\.table: .*schema\.table/],
    [
      'another action',
      withLocations(POSTS.replace('}', ', action: anonymize }')),
      /^cat: locations\.0\.action: posts: only "delete"/,
    ],
    ['another moment', withLocations(POSTS.replace('}', ', at: midnight }')), /^cat: locations\.0\.at: .*"request"/],
    [
      'an sla that is no duration',
      withLocations(POSTS.replace('}', ', sla: soon }')),
      /^cat: locations\.0\.sla: .*24h/,
    ],
    ['an sla of nothing', withLocations(POSTS.replace('}', ', sla: 0h }')), /^cat: locations\.0\.sla: .*24h/],
    ['an empty sla', withLocations(POSTS.replace('}', ', sla: "" }')), /^cat: locations\.0\.sla: .*24h/],
    ['an sla in the past', withLocations(POSTS.replace('}', ', sla: -1h }')), /^cat: locations\.0\.sla: .*24h/],
    [
      'an sla that is a number',
      withLocations(POSTS.replace('}', ', sla: 24 }')),
      /^cat: locations\.0\.sla: posts: expected a text, found a number$/,
    ],
    [
      'threshold 0',
      withAccount('{ table: accounts, key: id, threshold: 0 }'),
      /^cat: account\.threshold: expected a number of rows from 1/,
    ],
    [
      'threshold 1.5',
      withAccount('{ table: accounts, key: id, threshold: 1.5 }'),
      /^cat: account\.threshold: expected a number of rows/,
    ],
    [
      'a huge threshold',
      withAccount('{ table: accounts, key: id, threshold: 100001 }'),
      /^cat: account\.threshold: expected a number of rows from 1 to 100000/,
    ],
    [
      'a table listed twice',
      withLocations(POSTS, POSTS.replace('}', ', name: again }')),
      /^cat: locations\.1: table public\.posts is listed twice, first at locations\.0/,
    ],
    [
      'a table listed with and without schema',
      withLocations(POSTS, POSTS.replace('posts', 'public.posts')),
      /^cat: locations\.1: table public\.posts is listed twice/,
    ],
    [
      'a name listed twice',
      withLocations(POSTS, '{ table: b, account: c, owner: d, name: posts }'),
      /^cat: locations\.1: name posts is listed twice, first at locations\.0/,
    ],
    [
      'the name of the account table for a location',
      withLocations(POSTS.replace('}', ', name: accounts }')),
      /^cat: locations\.0: the name accounts is the account's own/,
    ],
    [
      'a table of the same name as the account table in another schema',
      `account: { table: app.accounts, key: id }\nlocations: [${POSTS.replace('posts', 'accounts')}]\n`,
      /^cat: locations\.0: the name accounts is the account's own/,
    ],
    [
      'the account table as a location',
      withLocations(POSTS, '{ table: accounts, account: id, owner: d }'),
      /^cat: locations\.1: accounts is the account table/,
    ],
    [
      'the account table with its schema',
      withLocations('{ table: public.accounts, account: id, owner: d }'),
      /^cat: locations\.0: public\.accounts is the account table/,
    ],
  ])('refuses %s and names the place', (_, text, expected) => {
    const problems = problemsOf(() => parseCatalog(text, 'cat'));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(expected);
  });

  it('names several mistakes at once', () => {
    const text = `
account: { table: accounts, threshold: 0 }
locations:
  - { table: posts, account: account_id, owner: reader, sla: never }
  - { table: feeds, account: account_id, owner: reader, action: retain }
  - { table: feeds, owner: reader, colour: blue }
`;
    const problems = problemsOf(() => parseCatalog(text, 'cat'));
    const paths = problems.map((p) => p.split(': ')[1]);
    expect(paths.sort()).toEqual([
      'account.key',
      'account.threshold',
      'locations.0.sla',
      'locations.1.action',
      'locations.2',
      'locations.2.account',
    ]);
  });

  it('says what a misspelt key was meant to be, once, and goes on with it', () => {
    const text = `
account: { table: accounts, key: id, treshold: 5 }
locations:
  - { tabel: posts, account: account_id, onwer: reader }
  - { table: posts, account: account_id, owner: reader, name: again, at: midnight }
  - { table: notes, account: account_id }
ignore: [{ table: notes, reason: x, colour: blue }]
`;
    expect([...problemsOf(() => parseCatalog(text, 'cat'))].sort()).toEqual([
      'cat: account: unknown key treshold: threshold?',
      'cat: ignore.0: notes: unknown key colour; known are table, column, reason',
      'cat: ignore.0: table public.notes is listed at locations.2: it cannot be both',
      'cat: locations.0: unknown key onwer: owner?',
      'cat: locations.0: unknown key tabel: table?',
      expect.stringMatching(/^cat: locations\.1\.at: posts: .*"request"/),
      'cat: locations.1: table public.posts is listed twice, first at locations.0',
      'cat: locations.2.owner: notes: say who answers for it: owner: shop',
    ]);
  });

  it('names every location that is listed twice at once', () => {
    const problems = problemsOf(() =>
      parseCatalog(withLocations(POSTS, POSTS.replace('}', ', name: b }'), POSTS.replace('}', ', name: c }')), 'cat'),
    );
    expect(problems).toEqual([
      'cat: locations.1: table public.posts is listed twice, first at locations.0',
      'cat: locations.2: table public.posts is listed twice, first at locations.0',
    ]);
  });

  it('refuses aliases that unfold without end', () => {
    const levels = Array.from({ length: 9 }, (_, i) => `l${i + 1}: &l${i + 1} [${`*l${i},`.repeat(9)}]`);
    const problems = problemsOf(() => parseCatalog(`l0: &l0 [a]\n${levels.join('\n')}\n`, 'cat'));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(/^cat: /);
  });
});

describe('loadCatalog', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'lethe-catalog-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('reads the file and names it in its errors', () => {
    const file = join(folder, 'catalog.yaml');
    writeFileSync(file, withLocations(POSTS));
    expect(loadCatalog(file).digest).toBe(parseCatalog(withLocations(POSTS)).digest);
    writeFileSync(file, `${ACCOUNT}\n`);
    expect(problemsOf(() => loadCatalog(file))[0]).toMatch(new RegExp(`^${file}: locations: `));
  });

  it.each([
    ['that is not there', 'nowhere.yaml', 'ENOENT'],
    ['that is a folder', '.', 'EISDIR'],
  ])('refuses a file %s', (_, name, code) => {
    const file = join(folder, name);
    expect(problemsOf(() => loadCatalog(file))).toEqual([`LETHE_CATALOG: cannot read ${file} (${code})`]);
  });

  it('accepts the catalog that comes with the project', () => {
    expect(tablesOf(loadCatalog('catalog.yaml')).map((l) => l.table)).toEqual(['sessions', 'posts', 'feeds']);
  });
});
