import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runVerb } from '../support/command-line.ts';
import { expectErased } from '../support/evidence.ts';
import { accepted, SMALL, subject } from '../support/subject.ts';
import { createWorld, READER_CATALOG, type World } from '../support/world.ts';

const CATALOG = `${READER_CATALOG}  - { table: notes, account: account_id, owner: reader }\n`;

let world: World;

beforeEach(async () => {
  world = await createWorld({ catalog: CATALOG });
  await world.sql.unsafe(`
    CREATE TABLE notes (id bigint, account_id bigint NOT NULL REFERENCES accounts, PRIMARY KEY (id)) PARTITION BY RANGE (id);
    CREATE TABLE "Notes 1" PARTITION OF notes FOR VALUES FROM (0) TO (100);
    CREATE TABLE notes_2 PARTITION OF notes FOR VALUES FROM (100) TO (200);
    CREATE INDEX ON notes (account_id, id)`);
});
afterEach(() => world.close());

const NOTHING = (table: string) => `ALTER TABLE ${table} REPLICA IDENTITY NOTHING`;

describe('a publication that keeps the server from deleting or changing rows', () => {
  it.each<[string, string[], RegExp]>([
    [
      'of one table',
      [NOTHING('posts'), 'CREATE PUBLICATION p FOR TABLE posts'],
      /^publication p publishes public\.posts, which has no replica identity/,
    ],
    [
      'of all tables',
      [NOTHING('feeds'), 'CREATE PUBLICATION "All of it" FOR ALL TABLES'],
      /^publication "All of it" publishes public\.feeds/,
    ],
    [
      'of a schema',
      [NOTHING('sessions'), 'CREATE PUBLICATION p FOR TABLES IN SCHEMA public'],
      /^publication p publishes public\.sessions/,
    ],
    [
      'of the account’s flag',
      [NOTHING('accounts'), "CREATE PUBLICATION p FOR TABLE accounts WITH (publish = 'update')"],
      /^publication p publishes public\.accounts/,
    ],
    [
      'of a partition',
      [NOTHING('"Notes 1"'), 'CREATE PUBLICATION p FOR TABLE "Notes 1"'],
      /^publication p publishes public\."Notes 1"/,
    ],
    [
      'of a partition, through its table',
      [NOTHING('"Notes 1"'), 'CREATE PUBLICATION p FOR TABLE notes'],
      /^publication p publishes public\."Notes 1"/,
    ],
    [
      'of a partition, as its table',
      [NOTHING('"Notes 1"'), 'CREATE PUBLICATION p FOR TABLE notes WITH (publish_via_partition_root = true)'],
      /^publication p publishes public\."Notes 1"/,
    ],
    [
      'by an index that is gone',
      [
        'CREATE UNIQUE INDEX gone ON posts (id)',
        'ALTER TABLE posts REPLICA IDENTITY USING INDEX gone',
        'DROP INDEX gone',
        'CREATE PUBLICATION p FOR TABLE posts',
      ],
      /^publication p publishes public\.posts, which has no replica identity/,
    ],
    [
      'with a row filter',
      ['CREATE PUBLICATION p FOR TABLE posts WHERE (account_id > 5)'],
      /^publication p publishes public\.posts, but its row filter or column list lacks columns of the replica identity/,
    ],
  ])('%s is refused at start and by catalog check, with a remedy that helps', async (_, setup, words) => {
    for (const statement of setup) await world.sql.unsafe(statement);
    const { code, out } = await runVerb(world.env, ['catalog', 'check', '--json']);
    const { errors } = JSON.parse(out) as { errors: string[] };
    expect(errors).toEqual([expect.stringMatching(words)]);
    expect(errors[0]).toMatch(/so the server refuses each (DELETE|UPDATE) \((55000|42P10)\)/);
    expect(code).toBe(1);
    await expect(world.api()).rejects.toThrow(errors[0]);
    const [remedy] = /ALTER TABLE .*$/.exec(errors[0] as string) ?? [];
    await world.sql.unsafe(remedy as string);
    const { account, before } = await subject(world.sql, SMALL);
    const { id } = await accepted(await world.api(), account);
    await expectErased(world.sql, account, id, { ...before, notes: 0 });
  });

  it('with a column list that lacks the key is refused too', async () => {
    await world.sql.unsafe('CREATE PUBLICATION p FOR TABLE posts (account_id)');
    await expect(world.api()).rejects.toThrow(/column list lacks columns of the replica identity/);
  });

  it.each([
    ['publishes inserts only', [NOTHING('posts'), "CREATE PUBLICATION p FOR TABLE posts WITH (publish = 'insert')"]],
    ['publishes another table', [NOTHING('posts'), 'CREATE PUBLICATION p FOR TABLE feeds']],
    ['publishes what has a key', ['CREATE PUBLICATION p FOR ALL TABLES']],
    ['filters by the key', ['CREATE PUBLICATION p FOR TABLE posts WHERE (id > 5)']],
    [
      'has all columns to filter by',
      ['ALTER TABLE posts REPLICA IDENTITY FULL', 'CREATE PUBLICATION p FOR TABLE posts WHERE (account_id > 5)'],
    ],
  ])('is none that %s', async (_, setup) => {
    for (const statement of setup) await world.sql.unsafe(statement);
    expect(await runVerb(world.env, ['catalog', 'check'])).toMatchObject({ code: 0 });
    const { account, before } = await subject(world.sql, SMALL);
    const { id } = await accepted(await world.api(), account);
    await expectErased(world.sql, account, id, { ...before, notes: 0 });
  });

  it('that comes when the catalog has fitted before leaves the process up, which says so', async () => {
    await world.api();
    await world.sql.unsafe(NOTHING('posts'));
    await world.sql.unsafe('CREATE PUBLICATION p FOR TABLE posts');
    const call = await world.api();
    expect(await call('GET', '/readyz', { auth: null })).toMatchObject({
      status: 200,
      body: { status: 'degraded', catalog: 'drifted' },
    });
  });
});
