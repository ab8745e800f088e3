import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { runVerb } from '../support/command-line.ts';
import { createWorld, READER_CATALOG, type World } from '../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.close());
afterEach(() => world.sql.unsafe('DROP SCHEMA IF EXISTS extra, elsewhere CASCADE'));

const create = (ddl: string) =>
  world.sql.begin((tx) => tx.unsafe(`CREATE SCHEMA extra; SET LOCAL search_path TO extra, public; ${ddl}`));

/** The check as a job of an application runs it: it knows the database and the catalog, and nothing else. */
async function check(more = '', catalog = READER_CATALOG) {
  const file = join(world.folder, 'checked.yaml');
  writeFileSync(file, catalog + more);
  const env = { DATABASE_URL: world.url, LETHE_CATALOG: file };
  const { code, out, err } = await runVerb(env, ['catalog', 'check', '--json']);
  expect(err).toBe('');
  const body = JSON.parse(out) as Record<'errors' | 'warnings', string[]> & {
    ok: boolean;
    uncovered: { table: string; kind: string; text: string }[];
  };
  expect(code).toBe(body.ok ? 0 : 1);
  return { ...body, code, texts: body.uncovered.map((f) => f.text), env };
}

const OR_IGNORE = 'or list it under ignore with a reason';
const NEEDS_KEY = "give it a column with the account's key and list it under locations";
const LIST = (table: string, column: string) =>
  `add { table: extra.${table}, account: ${column}, owner: … } under locations`;

describe('lethe catalog check', () => {
  it('is content where everything is covered, also without the schema lethe', async () => {
    await create(`
      CREATE TABLE settings (id bigint PRIMARY KEY, name text);
      CREATE VIEW seen AS SELECT account_id, title FROM posts;
      CREATE TABLE owners (id bigint, account_id uuid, mail text, email bigint, post_id bigint);
      CREATE TABLE part_of_posts () INHERITS (public.posts);`);
    const covered = await check();
    expect(covered).toMatchObject({ code: 0, ok: true, errors: [], uncovered: [], warnings: [] });
    const { out } = await runVerb(covered.env, ['catalog', 'check']);
    expect(out).toMatch(/^The catalog covers the database: \d+ tables looked at\.\n$/m);
    await world.sql.begin(async (tx) => {
      await tx.unsafe('ALTER SCHEMA lethe RENAME TO was; ALTER SCHEMA lethe_migrations RENAME TO was_migrations');
    });
    const without = await check('ignore: [{ table: was.erasure, reason: renamed }]');
    await world.sql.unsafe('ALTER SCHEMA was RENAME TO lethe; ALTER SCHEMA was_migrations RENAME TO lethe_migrations');
    // The addresses that await their mail, now that they are somebody's.
    expect(without).toMatchObject({ code: 0, uncovered: [] });
  });

  it.each<[string, string, string[]]>([
    [
      'references the account',
      'CREATE TABLE badges (id bigint, account_id bigint REFERENCES accounts ON DELETE CASCADE)',
      [`extra.badges (account_id) references public.accounts ON DELETE CASCADE: ${LIST('badges', 'account_id')}`],
    ],
    [
      'references the account and would stop the erasure',
      'CREATE TABLE badges (id bigint, holder bigint REFERENCES accounts)',
      [`extra.badges (holder) references public.accounts ON DELETE NO ACTION: ${NEEDS_KEY}, ${OR_IGNORE}`],
    ],
    [
      'references it at a distance',
      'CREATE TABLE comments (id bigint PRIMARY KEY, post_id bigint REFERENCES posts); CREATE TABLE likes (comment_id bigint REFERENCES comments ON DELETE SET NULL)',
      [
        `extra.comments (post_id) references public.posts ON DELETE NO ACTION: ${NEEDS_KEY}, ${OR_IGNORE}`,
        `extra.likes (comment_id) references extra.comments ON DELETE SET NULL: ${NEEDS_KEY}, ${OR_IGNORE}`,
      ],
    ],
    [
      'references itself and an unlisted table that references it back',
      'CREATE TABLE a (id bigint PRIMARY KEY, a bigint REFERENCES a, post_id bigint REFERENCES posts); CREATE TABLE b (id bigint PRIMARY KEY REFERENCES a); ALTER TABLE a ADD b bigint REFERENCES b',
      [
        `extra.a (post_id) references public.posts ON DELETE NO ACTION: ${NEEDS_KEY}, ${OR_IGNORE}`,
        `extra.b (id) references extra.a ON DELETE NO ACTION: ${NEEDS_KEY}, ${OR_IGNORE}`,
      ],
    ],
    [
      'references a composite key',
      'ALTER TABLE posts ADD CONSTRAINT both_ids UNIQUE (account_id, id); CREATE TABLE notes (account_id bigint, post_id bigint, FOREIGN KEY (account_id, post_id) REFERENCES posts (account_id, id))',
      [
        `extra.notes (account_id, post_id) references public.posts ON DELETE NO ACTION: ${LIST('notes', 'account_id')}, ${OR_IGNORE}`,
      ],
    ],
    [
      "has the account's key without a foreign key",
      'CREATE TABLE visits (id bigint, account_id integer)',
      [
        `extra.visits has a column account_id (integer) like the account's key: ${LIST('visits', 'account_id')}, ${OR_IGNORE}`,
      ],
    ],
    [
      'calls it another way, over a domain of a domain',
      'CREATE DOMAIN number AS bigint; CREATE DOMAIN account AS number; CREATE TABLE visits ("accountId" account)',
      [
        `extra.visits has a column accountId (bigint) like the account's key: ${LIST('visits', 'accountId')}, ${OR_IGNORE}`,
      ],
    ],
    [
      'has an address',
      'CREATE TABLE subscribers (id bigint, "E_mail" varchar(200))',
      [
        `extra.subscribers has a column E_mail (character varying) like the account's address: if it holds accounts' addresses, ${NEEDS_KEY}, ${OR_IGNORE}`,
      ],
    ],
    [
      'is partitioned: said once',
      'CREATE TABLE logs (account_id bigint, at date) PARTITION BY RANGE (at); CREATE TABLE logs_1 PARTITION OF logs DEFAULT',
      [
        `extra.logs has a column account_id (bigint) like the account's key: ${LIST('logs', 'account_id')}, ${OR_IGNORE}`,
      ],
    ],
    [
      'is a materialized view',
      'CREATE MATERIALIZED VIEW top AS SELECT account_id, count(*) FROM posts GROUP BY 1',
      [
        "extra.top has a column account_id (bigint) like the account's key: a materialized view keeps copies until it is refreshed: list it under ignore with a reason, for example when it is refreshed",
      ],
    ],
    [
      'is of another schema',
      'CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.visits (account_id bigint)',
      [
        `elsewhere.visits has a column account_id (bigint) like the account's key: ${LIST('visits', 'account_id').replace('extra.', 'elsewhere.')}, ${OR_IGNORE}`,
      ],
    ],
  ])('finds a table that %s', async (_, ddl, texts) => {
    await create(ddl);
    const found = await check();
    await world.sql.unsafe('ALTER TABLE posts DROP CONSTRAINT IF EXISTS both_ids CASCADE');
    expect(found).toMatchObject({ code: 1, ok: false, texts, errors: [] });
  });

  it('goes by the columns that the catalog names, and by the name of its account table', async () => {
    await create(`
      CREATE TABLE companies (id uuid PRIMARY KEY);
      CREATE TABLE invoices (id uuid PRIMARY KEY, payer uuid NOT NULL);
      CREATE INDEX ON invoices (payer, id);
      CREATE TABLE offers (payer uuid); CREATE TABLE visits (company_id uuid); CREATE TABLE other (payer bigint);
      ALTER TABLE companies ADD email text;`);
    const catalog = `account: { table: extra.companies, key: id }
locations: [{ table: extra.invoices, account: payer, owner: billing }]
`;
    const found = await check('', catalog);
    expect(found.uncovered.map((f) => [f.table, f.kind])).toEqual([
      ['extra.offers', 'key'],
      ['extra.visits', 'key'],
    ]);
    await world.sql.unsafe('DROP TABLE extra.offers, extra.visits');
    // The addresses of the sample are those of others: this catalog names no column for them.
    expect(await check('', catalog)).toMatchObject({ code: 0, ok: true });
  });

  it('leaves out what is ignored, and says where that does not help', async () => {
    await create(`
      CREATE TABLE visits (account_id bigint);
      CREATE TABLE badges (holder bigint REFERENCES accounts);
      CREATE TABLE likes (post_id bigint REFERENCES posts ON DELETE CASCADE);`);
    const ignore = (...tables: string[]) =>
      `ignore: [${tables.map((t) => `{ table: ${t}, reason: a reason }`).join(', ')}]`;
    const found = await check(ignore('extra.visits', 'extra.badges', 'extra.likes', 'gone'));
    expect(found).toMatchObject({
      code: 1,
      uncovered: [],
      errors: [
        'extra.likes (post_id) references public.posts ON DELETE CASCADE and is under ignore, but its rows would be changed unseen: list it under locations, or change the foreign key to NO ACTION',
      ],
      warnings: [
        'ignore: public.gone: there is no such table',
        'extra.badges (holder) references public.accounts ON DELETE NO ACTION and is under ignore: such rows stop the erasure with an error',
      ],
    });
    await world.sql.unsafe('DROP TABLE extra.likes');
    const covered = await check(ignore('extra.visits', 'extra.badges'));
    expect(covered).toMatchObject({ code: 0, ok: true });
    // The same catalog lets a worker start.
    await expect(world.domain({ LETHE_CATALOG: covered.env.LETHE_CATALOG })).resolves.toBeTruthy();
  });

  it('says everything that does not fit, in words on a terminal', async () => {
    await create('CREATE TABLE "a\u001b[2Jb" (account_id bigint)');
    const { env } = await check('', READER_CATALOG.replace('flag: erasure_requested_at', 'flag: flagged'));
    const { code, out } = await runVerb(env, ['catalog', 'check']);
    expect(code).toBe(1);
    expect(out.split('\n')).toEqual([
      'error: account.flag: public.accounts has no column flagged',
      expect.stringMatching(/^not covered: extra\."ab" has a column account_id/),
      'The catalog does not cover the database: 1 error, 1 table not covered.',
      '',
    ]);
  });

  it.each([
    ['no database', { DATABASE_URL: '' }, 'lethe: DATABASE_URL: is required\n'],
    ['no file', { LETHE_CATALOG: 'nowhere.yaml' }, 'lethe: LETHE_CATALOG: cannot read nowhere.yaml (ENOENT)\n'],
  ])('ends with 2 where it is given %s', async (_, more, err) => {
    const env = { DATABASE_URL: world.url, LETHE_CATALOG: 'catalog.yaml', ...more };
    expect(await runVerb(env, ['catalog', 'check'])).toEqual({ code: 2, out: '', err });
  });
});

it('lethe catalog schema describes every field for an editor, and needs nothing', async () => {
  const { code, out, err } = await runVerb({}, ['catalog', 'schema']);
  expect([code, err]).toEqual([0, '']);
  const schema = JSON.parse(out);
  expect(schema).toMatchObject({ $schema: 'http://json-schema.org/draft-07/schema#', additionalProperties: false });
  expect(schema.required).toEqual(['account', 'locations']);
  const location = schema.properties.locations.items;
  expect(location.required).toEqual(['table', 'account', 'owner']);
  for (const fields of [schema.properties.account, location, schema.properties.ignore.items])
    for (const [name, field] of Object.entries<{ description?: string }>(fields.properties))
      expect(field.description, name).toMatch(/\.$/);
});
