import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkCatalog } from '../../src/catalog/check.ts';
import { loadCatalog } from '../../src/catalog/load.ts';
import type { Resources } from '../../src/resources.ts';
import { application, CATALOG } from '../support/application.ts';
import { until } from '../support/until.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
let domain: Resources;

beforeAll(async () => {
  world = await createWorld();
  domain = await world.domain();
});
afterAll(() => world.close());

async function expectRefused(change: string, catalog: string, problems: readonly string[]): Promise<void> {
  const { file, named } = await application(world, change, catalog);
  await expect(world.domain({ LETHE_CATALOG: file })).rejects.toMatchObject({
    name: 'UsageError',
    problems: named(problems.map((p) => `catalog: ${p}`)),
  });
}

describe('a catalog that fits', () => {
  it('is accepted without a warning and ordered by the foreign keys, not by the file', async () => {
    const { file, schema } = await application(world, '', CATALOG.replace(/(.*posts.*\n)(.*feeds.*\n)/, '$2$1'));
    const { catalog, warnings } = await checkCatalog(domain.connection.db, loadCatalog(file));
    expect(warnings).toEqual([]);
    expect(catalog.locations).toMatchObject([
      { schema, table: 'posts', stage: 0, guarded: true, key: [{ name: 'id', type: 'bigint' }], children: [] },
      { schema, table: 'feeds', stage: 1, guarded: true, children: [{ columns: ['feed_id'], referenced: ['id'] }] },
    ]);
  });

  it('may have an integer column for a bigint key, a unique key, and a primary key that includes more', async () => {
    const { file } = await application(
      world,
      `ALTER TABLE posts ALTER account_id TYPE integer;
       ALTER TABLE feeds DROP CONSTRAINT feeds_pkey CASCADE, ADD PRIMARY KEY (id) INCLUDE (account_id);
       ALTER TABLE feeds DROP CONSTRAINT feeds_account_id_fkey, ADD FOREIGN KEY (account_id) REFERENCES accounts (number);
       ALTER TABLE posts DROP CONSTRAINT posts_account_id_fkey, ADD FOREIGN KEY (account_id) REFERENCES accounts (number);`,
      CATALOG.replace('key: id', 'key: number'),
    );
    const { catalog } = await checkCatalog(domain.connection.db, loadCatalog(file));
    expect(catalog.account.key).toEqual([{ name: 'number', type: 'bigint' }]);
    expect(catalog.tables.map((l) => l.key)).toEqual([
      [{ name: 'id', type: 'bigint' }],
      [{ name: 'id', type: 'bigint' }],
    ]);
  });

  it('may have keys of a domain, and accounts that are found over a table of the same key', async () => {
    const { file } = await application(
      world,
      `CREATE DOMAIN number AS bigint; CREATE DOMAIN account_key AS number; ALTER TABLE accounts ALTER id TYPE account_key;
       CREATE TABLE profiles (id bigint PRIMARY KEY DEFAULT nextval('$.numbers') REFERENCES accounts);
       CREATE TABLE notes (id account_key PRIMARY KEY, profile bigint NOT NULL REFERENCES profiles, profile_type text);
       CREATE INDEX ON notes (profile, id);`.replace(
        'CREATE TABLE profiles',
        'CREATE SEQUENCE numbers; CREATE TABLE profiles',
      ),
      `${CATALOG}  - { table: $.profiles, account: id, owner: x }\n  - { table: $.notes, account: profile, owner: x }\n`,
    );
    const { catalog, warnings } = await checkCatalog(domain.connection.db, loadCatalog(file));
    expect(warnings).toEqual([]);
    expect(catalog.account.key).toEqual([{ name: 'id', type: 'bigint' }]);
  });

  it('may have a column that looks as if it said which table another belongs to, where a reason says otherwise', async () => {
    const { file } = await application(
      world,
      'CREATE TABLE visits (id bigint PRIMARY KEY, account_id bigint, account_type text); CREATE INDEX ON visits (account_id, id);',
      `${CATALOG}  - { table: $.visits, account: account_id, owner: x }
ignore: [{ column: $.visits.account_type, reason: what the account pays for }]\n`,
    );
    await expect(checkCatalog(domain.connection.db, loadCatalog(file))).resolves.toMatchObject({ warnings: [] });
  });
});

describe('a catalog is refused', () => {
  const ADDED = (table: string, column = 'account_id') =>
    `${CATALOG}  - { table: $.${table}, account: ${column}, owner: reader }\n`;
  const UNLISTED =
    "and is not in the catalog: add it under locations, with its column for the account's key; reached only through its parent it is not possible in this version";
  const UNREFERENCED =
    'ALTER TABLE posts DROP CONSTRAINT posts_account_id_fkey; ALTER TABLE feeds DROP CONSTRAINT feeds_account_id_fkey;';
  const SUPPORTED = 'is not supported; expected one of smallint, integer, bigint, uuid';

  it.each<[string, string, string, string[]]>([
    ['a missing table', '', ADDED('nowhere'), ['$.nowhere: there is no such table']],
    [
      'a missing schema',
      '',
      CATALOG.replace('$.posts', 'no_schema.posts'),
      [
        'no_schema.posts: there is no such table',
        `$.posts (account_id) references $.accounts ON DELETE CASCADE ${UNLISTED}`,
        `$.posts (feed_id) references $.feeds ON DELETE CASCADE ${UNLISTED}`,
      ],
    ],
    ['a missing account table', '', CATALOG.replace('$.accounts', '$.users'), ['$.users: there is no such table']],
    ['a view', 'CREATE VIEW seen AS SELECT * FROM posts;', ADDED('seen'), ['$.seen: is not a table']],
    [
      'a missing column',
      '',
      CATALOG.replace('account_id', 'owner_id'),
      [
        `$.posts (account_id) references $.accounts ON DELETE CASCADE, but the catalog's account column there is owner_id: rows of other accounts would be changed unseen`,
        'locations.$.posts: $.posts has no column owner_id',
      ],
    ],
    [
      'missing account columns',
      '',
      CATALOG.replace('email: email, flag: flag', 'email: mail, flag: flags, created: since'),
      [
        'account.email: $.accounts has no column mail',
        'account.flag: $.accounts has no column flags',
        'account.created: $.accounts has no column since',
      ],
    ],
    [
      'a flag that is no timestamp',
      '',
      CATALOG.replace('flag: flag', 'flag: email'),
      ['account.flag: $.accounts.email is text, expected a timestamp'],
    ],
    [
      'an account key that several accounts share',
      UNREFERENCED,
      CATALOG.replace('key: id', 'key: tenant'),
      [
        'account.key: $.accounts.tenant is neither the primary key nor unique: one request would erase several accounts',
      ],
    ],
    [
      'an account key that the tables do not reference',
      '',
      CATALOG.replace('key: id', 'key: number'),
      [
        "$.feeds (account_id) references $.accounts ON DELETE CASCADE (id), but the catalog's account key is number",
        "$.posts (account_id) references $.accounts ON DELETE CASCADE (id), but the catalog's account key is number",
      ],
    ],
    [
      'an account key of text',
      UNREFERENCED,
      CATALOG.replace('key: id', 'key: email'),
      ['$.accounts.email: a key column must be NOT NULL', `$.accounts.email: a key of type text ${SUPPORTED}`],
    ],
    [
      'a key column of another type',
      'CREATE TABLE visits (id bigint PRIMARY KEY, account_id uuid);',
      ADDED('visits'),
      ['locations.$.visits: $.visits.account_id is uuid, but $.accounts.id is bigint'],
    ],
    [
      'a primary key of text',
      'CREATE TABLE visits (id text PRIMARY KEY, account_id bigint);',
      ADDED('visits'),
      [`$.visits.id: a primary key of type text ${SUPPORTED}`],
    ],
    ['no primary key', 'CREATE TABLE visits (account_id bigint);', ADDED('visits'), ['$.visits: has no primary key']],
    [
      'a composite primary key',
      'CREATE TABLE visits (a bigint, account_id bigint, PRIMARY KEY (account_id, a));',
      ADDED('visits'),
      ['$.visits: the key (account_id, a) has several columns, which this version does not support'],
    ],
    [
      'an account column that references another table',
      'CREATE TABLE tags (id bigint PRIMARY KEY, account_id bigint); CREATE TABLE link_tag (id bigint PRIMARY KEY, b bigint REFERENCES tags);',
      ADDED('tags') + ADDED('link_tag', 'b').replace(CATALOG, ''),
      [
        "locations.$.link_tag: $.link_tag.b does not hold the account's key: $.link_tag (b) references $.tags ON DELETE NO ACTION. Rows of others would be deleted: name the column that holds it",
      ],
    ],
    ...['bigint GENERATED ALWAYS AS IDENTITY', 'bigserial', "bigint DEFAULT nextval('$.numbers')"].map(
      (type): [string, string, string, string[]] => [
        `an account column that numbers the rows of its own table (${type})`,
        `CREATE SEQUENCE numbers; CREATE TABLE visits (id ${type} PRIMARY KEY, account_id bigint);`,
        ADDED('visits', 'id'),
        [
          "locations.$.visits: $.visits.id does not hold the account's key: the table numbers its own rows with it. Rows of others would be deleted: name the column that holds it",
        ],
      ],
    ),
    ...[
      ['record_id', 'record_type'],
      ['"commentableId"', '"commentableType"'],
      ['object_id', 'content_type_id'],
      ['owner', 'owner_kind'],
    ].map(([column, kind]): [string, string, string, string[]] => [
      `an account column ${column} beside ${kind}`,
      `CREATE TABLE attachments (id bigint PRIMARY KEY, ${kind} text, ${column} bigint);`,
      ADDED('attachments', `${column}`.replaceAll('"', '')),
      [
        `locations.$.attachments: $.attachments.${column} is the account's key in some rows only: ${kind} beside it says which table it belongs to, and equal keys of the others would be deleted. This version has no condition (where): take the location out and list the table under ignore with a reason. If ${kind} says something else, list that column under ignore with a reason`,
      ],
    ]),
    [
      'keys of domains over other types',
      'CREATE DOMAIN slug AS text; CREATE TABLE visits (id slug PRIMARY KEY, account_id bigint); CREATE TABLE notes (id bigint PRIMARY KEY, account_id slug);',
      ADDED('visits') + ADDED('notes').replace(CATALOG, ''),
      [
        `$.visits.id: a primary key of type the domain slug over text ${SUPPORTED}`,
        'locations.$.notes: $.notes.account_id is the domain slug over text, but $.accounts.id is bigint',
      ],
    ],
    ...['NO ACTION', 'SET NULL'].map((action): [string, string, string, string[]] => [
      `an account table that references itself with ${action}`,
      `ALTER TABLE accounts ADD invited_by bigint REFERENCES accounts ON DELETE ${action};`,
      CATALOG,
      [
        `$.accounts (invited_by) references $.accounts ON DELETE ${action}: ${
          action === 'NO ACTION'
            ? 'an account that others name there could not be erased'
            : 'erasing an account would delete or change those of others that name it there'
        }, which this version cannot take apart. Let the application set the column to null when it asks for an erasure, and drop the foreign key: ALTER TABLE $.accounts DROP CONSTRAINT accounts_invited_by_fkey`,
      ],
    ]),
    [
      'several mistakes, of which a missing table hides none',
      'ALTER TABLE feeds ADD newest bigint REFERENCES posts; CREATE TABLE notes (id bigint PRIMARY KEY, account_id uuid);',
      `${ADDED('notes')}  - { table: $.nowhere, account: account_id, owner: reader }\n`.replace(
        'flag: flag',
        'flag: flags',
      ),
      [
        '$.nowhere: there is no such table',
        'account.flag: $.accounts has no column flags',
        'foreign keys form a cycle: $.posts → $.feeds → $.posts',
        'locations.$.notes: $.notes.account_id is uuid, but $.accounts.id is bigint',
      ],
    ],
    [
      'a cycle',
      'ALTER TABLE feeds ADD newest bigint REFERENCES posts;',
      CATALOG,
      ['foreign keys form a cycle: $.posts → $.feeds → $.posts'],
    ],
    [
      'a table that references itself',
      'CREATE TABLE notes (id bigint PRIMARY KEY, account_id bigint, parent bigint REFERENCES notes);',
      ADDED('notes'),
      ['foreign keys form a cycle: $.notes → $.notes'],
    ],
    [
      'an account table that references a location',
      'ALTER TABLE accounts ADD favourite bigint REFERENCES feeds;',
      CATALOG,
      [
        '$.accounts (favourite) references $.feeds ON DELETE NO ACTION: the account table must not reference what is erased with it',
      ],
    ],
    ...['CASCADE', 'SET NULL', 'SET DEFAULT', 'NO ACTION', 'RESTRICT'].flatMap(
      (action): [string, string, string, string[]][] =>
        ['accounts', 'posts'].map((parent) => [
          `an unlisted table that references ${parent} with ${action}`,
          `CREATE TABLE likes (id bigint, liked bigint REFERENCES ${parent} ON DELETE ${action});`,
          CATALOG,
          [`$.likes (liked) references $.${parent} ON DELETE ${action} ${UNLISTED}`],
        ]),
    ),
    ...['CASCADE', 'SET NULL', 'SET DEFAULT'].map((action): [string, string, string, string[]] => [
      `a second column that references the account with ${action}`,
      `ALTER TABLE posts ADD editor_id bigint REFERENCES accounts ON DELETE ${action};`,
      CATALOG,
      [
        `$.posts (editor_id) references $.accounts ON DELETE ${action}, but the catalog's account column there is account_id: rows of other accounts would be changed unseen`,
      ],
    ]),
  ])('with %s', async (_, change, catalog, problems) => {
    await expectRefused(change, catalog, problems);
  });

  it('with an unlisted table of another schema', async () => {
    const other = await application(world);
    await expectRefused(
      `CREATE TABLE ${other.schema}.likes (post_id bigint REFERENCES posts ON DELETE CASCADE);`,
      CATALOG,
      [`${other.schema}.likes (post_id) references $.posts ON DELETE CASCADE ${UNLISTED}`],
    );
  });

  it.each(['worker', 'api'])('by lethe %s with exit code 2 and one line per problem', async (command) => {
    const { file, named } = await application(
      world,
      'CREATE TABLE likes (post_id bigint REFERENCES posts ON DELETE CASCADE); CREATE TABLE visits (account_id bigint);',
      ADDED('visits').replace('flag: flag', 'flag: flags'),
    );
    const lethe = world.spawn([command], { LETHE_CATALOG: file });
    expect(await lethe.exited).toBe(2);
    expect(lethe.output().trimEnd().split('\n')).toEqual(
      named([
        'lethe: catalog: account.flag: $.accounts has no column flags',
        `lethe: catalog: $.likes (post_id) references $.posts ON DELETE CASCADE ${UNLISTED}`,
        'lethe: catalog: $.visits: has no primary key',
      ]),
    );
  });
});

describe('a catalog is accepted with a warning', () => {
  it.each<[string, string, string[]]>([
    [
      'no index that leads the deletion',
      'DROP INDEX posts_account_id_id_idx;',
      [
        '$.posts: no index leads with (account_id, id), so each slice reads too much: CREATE INDEX CONCURRENTLY ON $.posts (account_id, id)',
        '$.posts (account_id) references $.accounts ON DELETE CASCADE without an index, so deleting a parent reads the whole table: CREATE INDEX CONCURRENTLY ON $.posts (account_id)',
      ],
    ],
    [
      'an index on the account alone',
      'DROP INDEX posts_account_id_id_idx; CREATE INDEX ON posts (account_id);',
      [
        '$.posts: no index leads with (account_id, id), so each slice reads too much: CREATE INDEX CONCURRENTLY ON $.posts (account_id, id)',
      ],
    ],
    [
      'an index on some rows only',
      'DROP INDEX posts_account_id_id_idx; CREATE INDEX ON posts (account_id); CREATE INDEX ON posts (account_id, id) WHERE id > 7;',
      [
        '$.posts: no index leads with (account_id, id), so each slice reads too much: CREATE INDEX CONCURRENTLY ON $.posts (account_id, id)',
      ],
    ],
    [
      'no index on a referencing column',
      'DROP INDEX posts_feed_id_idx;',
      [
        '$.posts (feed_id) references $.feeds ON DELETE CASCADE without an index, so deleting a parent reads the whole table: CREATE INDEX CONCURRENTLY ON $.posts (feed_id)',
      ],
    ],
    [
      'a delete trigger',
      'CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN RETURN OLD; END $f$; CREATE TRIGGER note_it BEFORE DELETE ON posts FOR EACH ROW EXECUTE FUNCTION noted();'.replaceAll(
        '$f$',
        "'",
      ),
      ['$.posts: delete triggers will run for every row: note_it'],
    ],
    [
      'a delete rule',
      'CREATE RULE keep AS ON DELETE TO feeds DO ALSO SELECT 1;',
      ['$.feeds: delete rules rewrite the statements: keep'],
    ],
    [
      'a second column that references the account without changing rows',
      'ALTER TABLE posts ADD editor_id bigint REFERENCES accounts; CREATE INDEX ON posts (editor_id);',
      [
        "$.posts (editor_id) references $.accounts ON DELETE NO ACTION, but the catalog's account column there is account_id: such rows of other accounts stop the erasure with an error",
      ],
    ],
  ])('for %s', async (_, change, expected) => {
    const { file, named } = await application(world, change);
    const { warnings } = await checkCatalog(domain.connection.db, loadCatalog(file));
    expect([...warnings].sort()).toEqual(named(expected).sort());
  });

  it('that has the statement which helps, and goes once it was run', async () => {
    const { file } = await application(world, 'DROP INDEX posts_account_id_id_idx, posts_feed_id_idx;');
    const check = () => checkCatalog(domain.connection.db, loadCatalog(file));
    for (const warning of (await check()).warnings)
      await world.sql.unsafe(warning.slice(warning.indexOf('CREATE INDEX')));
    expect((await check()).warnings).toEqual([]);
  });

  it('that a worker logs before it works', async () => {
    const { file, schema } = await application(world, 'DROP INDEX posts_feed_id_idx;');
    const lethe = world.spawn(['worker'], { LETHE_CATALOG: file });
    await until('the worker works', () => lethe.output().includes('"msg":"working"'));
    expect(lethe.output()).toContain(`CREATE INDEX CONCURRENTLY ON ${schema}.posts (feed_id)`);
  });
});
