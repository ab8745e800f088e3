import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkCatalog } from '../../src/catalog/check.ts';
import { identifier, nameParts, RESERVED, tableName } from '../../src/catalog/live/names.ts';
import { parseCatalog } from '../../src/catalog/load.ts';
import { application } from '../support/application.ts';
import { runVerb } from '../support/command-line.ts';
import { ledger } from '../support/evidence.ts';
import { accepted } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { createWorld, KEYS, type World } from '../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.close());

/** The statement at the end of a message. */
const statementOf = (text: string) => /\b(CREATE INDEX|GRANT|ALTER TABLE) .*$/.exec(text)?.[0];

describe('names', () => {
  it('stand in quotes wherever this server needs it', async () => {
    const words = await world.sql<{ word: string }[]>`SELECT word FROM pg_get_keywords() WHERE catcode IN ('R', 'T')`;
    expect(words.map((w) => w.word).filter((word) => !RESERVED.has(word))).toEqual([]);
    const all = await world.sql<{ word: string }[]>`SELECT word FROM pg_get_keywords()`;
    const columns = all.map(({ word }) => `${identifier(word)} int`).join(', ');
    await world.sql.unsafe(`CREATE TABLE words (${columns}); DROP TABLE words`);
  });

  it.each([
    ['posts', ['posts']],
    ['app.OrderLines', ['app', 'OrderLines']],
    ['"my.schema"."my table"', ['my.schema', 'my table']],
    ['app."say ""hello"""', ['app', 'say "hello"']],
    ['a.b.c', undefined],
    ['my table', undefined],
    ['"open', undefined],
    ['""', undefined],
    ['', undefined],
  ])('%s is read as it is meant', (text, parts) => {
    expect(nameParts(text)).toEqual(parts);
  });
});

const TABLES = `
  CREATE SCHEMA "My.Shop";
  CREATE TABLE "My.Shop"."user" (id bigint PRIMARY KEY, "E-Mail" text, "order" timestamptz);
  CREATE TABLE "My.Shop"."my orders" (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    "User" bigint NOT NULL REFERENCES "My.Shop"."user" ON DELETE CASCADE);
  CREATE TABLE "My.Shop"."a.b" ("Key" bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "group" bigint NOT NULL,
    "my order" bigint NOT NULL REFERENCES "My.Shop"."my orders" ON DELETE CASCADE);
  CREATE TABLE "My.Shop".a (b bigint PRIMARY KEY REFERENCES "My.Shop"."user");
  CREATE TABLE "My.Shop"."say ""hi""" (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, uid bigint NOT NULL)
    PARTITION BY HASH (id);
  CREATE TABLE "My.Shop".hi_0 PARTITION OF "My.Shop"."say ""hi""" FOR VALUES WITH (MODULUS 2, REMAINDER 0);
  CREATE TABLE "My.Shop".hi_1 PARTITION OF "My.Shop"."say ""hi""" FOR VALUES WITH (MODULUS 2, REMAINDER 1);`;
const CATALOG = `
account: { table: '"My.Shop"."user"', key: id, email: E-Mail, flag: order }
locations:
  - { table: '"My.Shop"."my orders"', account: User, owner: shop }
  - { table: '"My.Shop"."a.b"', account: group, owner: shop }
  - { table: '"My.Shop".a', account: b, owner: shop }
  - { table: '"My.Shop"."say ""hi"""', name: greetings, account: uid, owner: shop }
ignore:
${['accounts', 'sessions', 'feeds', 'posts'].map((t) => `  - { table: ${t}, reason: another application }`).join('\n')}
`;

describe('an application whose names need quotes', () => {
  let file: string;
  beforeAll(async () => {
    file = join(world.folder, 'quoted.yaml');
    writeFileSync(file, CATALOG);
    await world.sql.unsafe(TABLES);
  });

  it('is told statements that run as they stand, and help', async () => {
    const env = { DATABASE_URL: world.url, LETHE_CATALOG: file };
    const check = async () => {
      const { out } = await runVerb(env, ['catalog', 'check', '--json']);
      return JSON.parse(out) as Record<'errors' | 'warnings', string[]> & { uncovered: unknown[] };
    };
    const { errors, warnings, uncovered } = await check();
    expect([errors, uncovered]).toEqual([[], []]);
    const statements = warnings.map(statementOf);
    expect(statements.sort()).toEqual([
      'CREATE INDEX CONCURRENTLY ON "My.Shop"."a.b" ("group", "Key")',
      'CREATE INDEX CONCURRENTLY ON "My.Shop"."a.b" ("my order")',
      'CREATE INDEX CONCURRENTLY ON "My.Shop"."my orders" ("User")',
      'CREATE INDEX CONCURRENTLY ON "My.Shop"."my orders" ("User", id)',
      'CREATE INDEX ON "My.Shop"."say ""hi""" (uid, id)',
    ]);
    for (const statement of statements) await world.sql.unsafe(`${statement}`);
    expect((await check()).warnings).toEqual([]);
  });

  it('is told the grants that a role of a name like its own needs', async () => {
    const role = `Role ${world.url.split('/').at(-1)}`;
    await world.sql.unsafe(`CREATE ROLE "${role}" LOGIN PASSWORD 'x'`);
    const url = new URL(world.url);
    url.username = encodeURIComponent(role);
    url.password = 'x';
    const asRole = { DATABASE_URL: url.href, LETHE_CATALOG: file };
    try {
      let problems: readonly string[] = [];
      for (let round = 0; round < 4; round++) {
        problems = await world.domain(asRole).then(
          () => [],
          (error) => error.problems as string[],
        );
        const statements = problems.map(statementOf);
        expect(statements).not.toContain(undefined);
        for (const statement of statements) await world.sql.unsafe(`${statement}`);
        if (problems.length === 0) break;
      }
      expect(problems).toEqual([]);
    } finally {
      await world.sql.unsafe(`DROP OWNED BY "${role}"; DROP ROLE "${role}"`);
    }
  });

  it.each([
    ['in the request', 20],
    ['by the workers', 2_500],
  ])('is erased %s', async (_, orders) => {
    const [victim, bystander] = orders < 1_000 ? [1, 2] : [3, 4];
    for (const id of [victim, bystander]) {
      await world.sql`INSERT INTO "My.Shop"."user" (id) VALUES (${id})`;
      await world.sql`INSERT INTO "My.Shop".a VALUES (${id})`;
      await world.sql`INSERT INTO "My.Shop"."my orders" ("User") SELECT ${id} FROM generate_series(1, ${orders}::int)`;
      await world.sql`INSERT INTO "My.Shop"."a.b" ("group", "my order") SELECT "User", id FROM "My.Shop"."my orders" WHERE "User" = ${id}`;
      await world.sql.unsafe(`INSERT INTO "My.Shop"."say ""hi""" (uid) SELECT ${id} FROM generate_series(1, 3)`);
    }
    const env = { LETHE_CATALOG: file };
    const call = await world.api(env);
    const worker = await world.worker(env);
    const { id } = await accepted(call, String(victim), { body: { startNow: true } });
    await until('the erasure is completed', async () => {
      const { body } = await call('GET', `/v1/erasures/${id}`, { auth: `Bearer ${KEYS.admin}` });
      return body.state === 'completed';
    });
    await worker.stop();
    const evidence = { 'My.Shop.my orders': orders, 'My.Shop.a.b': orders, 'My.Shop.a': 1, greetings: 3, user: 1 };
    expect(await ledger(world.sql, id)).toEqual(evidence);
    const counts = await world.sql.unsafe(`SELECT
      (SELECT count(*)::int FROM "My.Shop"."user" WHERE id IN (${victim}, ${bystander})) AS users,
      (SELECT count(*)::int FROM "My.Shop"."my orders" WHERE "User" IN (${victim}, ${bystander})) AS orders,
      (SELECT count(*)::int FROM "My.Shop"."a.b" WHERE "group" = ${bystander}) AS lines,
      (SELECT count(*)::int FROM "My.Shop"."say ""hi""" WHERE uid IN (${victim}, ${bystander})) AS greetings`);
    expect(counts[0]).toEqual({ users: 1, orders, lines: orders, greetings: 3 });
  });
});

describe('an index', () => {
  const ODD = `CREATE OPERATOR CLASS odd FOR TYPE bigint USING btree AS OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =,
    OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 btint8cmp(bigint, bigint);`;
  const warningsWith = async (index: string, change = '') => {
    const { file, schema } = await application(world, `DROP INDEX posts_account_id_id_idx; ${change} ${index};`);
    const { db } = (await world.domain()).connection;
    const { warnings } = await checkCatalog(db, parseCatalog(readFileSync(file, 'utf8')));
    for (const warning of warnings) await world.sql.unsafe(`${statementOf(warning)}`);
    expect((await checkCatalog(db, parseCatalog(readFileSync(file, 'utf8')))).warnings).toEqual([]);
    return warnings.map((w) => w.replaceAll(`${schema}.`, '').split(':')[0]);
  };
  const NO_ORDER = 'posts';

  it.each([
    ['forwards', '(account_id, id)', []],
    ['backwards', '(account_id DESC, id DESC)', []],
    ['with more behind it', '(account_id, id, feed_id DESC)', []],
    ['in both directions', '(account_id, id DESC)', [NO_ORDER]],
    ['with nulls at the other end', '(account_id NULLS FIRST, id)', [NO_ORDER]],
    ['with nulls at the other end, backwards', '(account_id DESC NULLS LAST, id DESC NULLS LAST)', [NO_ORDER]],
  ])('%s has the order that is needed, or the check says that it has not', async (_, columns, expected) => {
    expect(await warningsWith(`CREATE INDEX ON posts ${columns}`)).toEqual(expected);
  });

  it('of other operators serves neither the order nor a look-up', async () => {
    const expected = [
      'posts (account_id) references accounts ON DELETE CASCADE without an index, so deleting a parent reads the whole table',
      NO_ORDER,
    ];
    expect(await warningsWith('CREATE INDEX ON posts (account_id odd, id)', ODD)).toEqual(expected);
  });

  it('of another collation serves no look-up', async () => {
    const change = `ALTER TABLE feeds ADD code text UNIQUE; ALTER TABLE posts ADD feed text REFERENCES feeds (code);
      CREATE INDEX ON posts (account_id, id);`;
    const expected = [
      'posts (feed) references feeds ON DELETE NO ACTION without an index, so deleting a parent reads the whole table',
    ];
    expect(await warningsWith('CREATE INDEX ON posts (feed COLLATE "ucs_basic")', change)).toEqual(expected);
    expect(await warningsWith('CREATE INDEX ON posts (feed)', change)).toEqual([]);
  });

  it('is asked for once where the account is the key of the table too', async () => {
    const { file, schema } = await application(
      world,
      'CREATE TABLE settings (account_id bigint REFERENCES accounts, more int, id bigint PRIMARY KEY);',
      `account: { table: $.accounts, key: id, flag: flag }
locations:
  - { table: $.posts, account: account_id, owner: x }
  - { table: $.feeds, account: account_id, owner: x }
  - { table: $.settings, account: account_id, owner: x }
`,
    );
    await world.sql.unsafe(`ALTER TABLE ${schema}.settings DROP id, ADD PRIMARY KEY (account_id)`);
    const { db } = (await world.domain()).connection;
    expect((await checkCatalog(db, parseCatalog(readFileSync(file, 'utf8')))).warnings).toEqual([]);
  });
});

describe('docs/operations.md', () => {
  it('has statements for indexes that run', async () => {
    const page = readFileSync('docs/operations.md', 'utf8');
    const statements = [...page.matchAll(/`(CREATE INDEX CONCURRENTLY (\w+) ON [^`]+)`/g)];
    expect(statements).toHaveLength(2);
    for (const [, statement, name] of statements) {
      await world.sql.unsafe(`DROP INDEX lethe.${name}`);
      await world.sql.unsafe(`${statement}`);
    }
  });
});

it('a table of another schema is another table, however the two names read together', () => {
  expect(tableName('"a.b".c')).toEqual({ schema: 'a.b', table: 'c' });
  expect(tableName('a."b.c"')).toEqual({ schema: 'a', table: 'b.c' });
});
