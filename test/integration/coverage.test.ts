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
const THROUGH = (parent: string) =>
  `it is reached only through its parent ${parent}, which is not possible in this version`;
const LIST = (table: string, column: string) =>
  `add { table: extra.${table}, account: ${column}, owner: … } under locations`;

describe('lethe catalog check', () => {
  it('is content where everything is covered, also without the schema lethe', async () => {
    await create(`
      CREATE TABLE settings (id bigint PRIMARY KEY, name text);
      CREATE VIEW seen AS SELECT account_id, title FROM posts;
      CREATE TABLE owners (id bigint, account_id uuid, mail text, email bigint, post_id uuid, bank_account_id bigint,
        sort_by integer);
      CREATE TABLE bank_accounts (id bigint PRIMARY KEY);
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
      [
        `extra.badges (holder) references public.accounts ON DELETE NO ACTION: ${LIST('badges', 'holder')}, ${OR_IGNORE}`,
      ],
    ],
    [
      'references it at a distance',
      'CREATE TABLE comments (id bigint PRIMARY KEY, post_id bigint REFERENCES posts); CREATE TABLE likes (comment_id bigint REFERENCES comments ON DELETE SET NULL)',
      [
        `extra.comments (post_id) references public.posts ON DELETE NO ACTION: ${THROUGH('public.posts')}, ${OR_IGNORE}`,
        `extra.likes (comment_id) references extra.comments ON DELETE SET NULL: ${THROUGH('extra.comments')}, ${OR_IGNORE}`,
      ],
    ],
    [
      'references itself and an unlisted table that references it back',
      'CREATE TABLE a (id bigint PRIMARY KEY, a bigint REFERENCES a, post_id bigint REFERENCES posts); CREATE TABLE b (id bigint PRIMARY KEY REFERENCES a); ALTER TABLE a ADD b bigint REFERENCES b',
      [
        `extra.a (post_id) references public.posts ON DELETE NO ACTION: ${THROUGH('public.posts')}, ${OR_IGNORE}`,
        `extra.b (id) references extra.a ON DELETE NO ACTION: ${THROUGH('extra.a')}, ${OR_IGNORE}`,
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
        `extra.visits has a column "accountId" (bigint) like the account's key: ${LIST('visits', 'accountId')}, ${OR_IGNORE}`,
      ],
    ],
    [
      'has an address',
      'CREATE TABLE subscribers (id bigint, "E_mail" varchar(200))',
      [
        `extra.subscribers has a column "E_mail" (character varying) like the account's address: if it holds accounts' addresses: finding rows by their address is not possible in this version; give it a column with the account's key, ${OR_IGNORE}`,
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
      CREATE TABLE offers (payer uuid); CREATE TABLE visits (company_id uuid); CREATE TABLE other (payer bigint, company_id text);
      ALTER TABLE companies ADD email text;`);
    const catalog = `account: { table: extra.companies, key: id, unreferenced: acknowledged }
locations: [{ table: extra.invoices, account: payer, owner: billing }]
`;
    const found = await check('', catalog);
    expect(found.uncovered.map((f) => [f.table, f.kind])).toEqual([
      ['extra.offers', 'key'],
      ['extra.other', 'key'],
      ['extra.visits', 'key'],
    ]);
    await world.sql.unsafe('DROP TABLE extra.offers, extra.visits, extra.other');
    // The addresses of the sample are those of others: this catalog names no column for them.
    expect(await check('', catalog)).toMatchObject({ code: 0, ok: true });
  });

  const USERS = `
    CREATE TABLE users (id bigint PRIMARY KEY, email text, created_at timestamptz);
    CREATE TABLE messages (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      sender_id bigint REFERENCES users ON DELETE CASCADE, body text);
    CREATE INDEX ON messages (sender_id, id);`;
  const OWN = `account: { table: extra.users, key: id, created: created_at }
locations:
  - { table: extra.messages, account: sender_id, owner: chat }
`;
  /** The reader's tables are another application's. */
  const READER = ['accounts', 'sessions', 'feeds', 'posts'].map((t) => `{ table: ${t}, reason: another application }`);
  const checkUsers = async (ddl: string, ignore: string[] = [], catalog = OWN) => {
    await world.sql.unsafe('DROP SCHEMA IF EXISTS extra CASCADE');
    await create(USERS + ddl);
    return check(`ignore: [${[...READER, ...ignore].join(', ')}]`, catalog);
  };

  it.each<[string, string, string[]]>([
    [
      'a column that others use for their own key, or for that of something else',
      'CREATE TABLE profiles (id bigint PRIMARY KEY REFERENCES users ON DELETE CASCADE); CREATE TABLE prices (id bigint PRIMARY KEY); CREATE TABLE tags (id bigint PRIMARY KEY, sender_id bigint REFERENCES prices)',
      [`extra.profiles (id) references extra.users ON DELETE CASCADE: ${LIST('profiles', 'id')}`],
    ],
    [
      'a column that says who did something',
      'CREATE TABLE invitations (id bigint, invited_by bigint REFERENCES users)',
      [
        `extra.invitations (invited_by) references extra.users ON DELETE NO ACTION: if the account of invited_by owns the row, add { table: extra.invitations, account: …, owner: … } under locations, ${OR_IGNORE}`,
      ],
    ],
    [
      'several columns',
      'CREATE TABLE follows (follower_id bigint REFERENCES users, followee_id bigint)',
      [
        `extra.follows (follower_id) references extra.users ON DELETE NO ACTION: if the account of one of follower_id, followee_id owns the row, add { table: extra.follows, account: …, owner: … } under locations, ${OR_IGNORE}`,
      ],
    ],
    [
      'a name that needs quotes',
      `CREATE TABLE "my ""notes""" ("user" bigint)`,
      [
        `extra."my ""notes""" has a column "user" (bigint) like the account's key: add { table: 'extra."my ""notes"""', account: user, owner: … } under locations, ${OR_IGNORE}`,
      ],
    ],
  ])('never advises more than it knows about %s', async (_, ddl, texts) => {
    expect(await checkUsers(ddl)).toMatchObject({ texts, errors: expect.any(Array), code: 1 });
  });

  it('never takes a column of one location for the name of the account in every table', async () => {
    const found = await checkUsers(
      `CREATE TABLE tags (id bigint PRIMARY KEY, user_id bigint REFERENCES users);
       CREATE TABLE pinned (id bigint PRIMARY KEY, b bigint REFERENCES users);
       CREATE TABLE link_tag (a bigint, b bigint REFERENCES tags ON DELETE CASCADE);
       CREATE INDEX ON tags (user_id, id); CREATE INDEX ON pinned (b, id); CREATE INDEX ON link_tag (b)`,
      [],
      `${OWN}  - { table: extra.tags, account: user_id, owner: tags }\n  - { table: extra.pinned, account: b, owner: tags }\n`,
    );
    expect(found).toMatchObject({
      errors: [],
      texts: [`extra.link_tag (b) references extra.tags ON DELETE CASCADE: ${THROUGH('extra.tags')}`],
    });
  });

  it.each(['uid', 'owner_id', 'poster_id', 'authorId', 'created_by', '"user"', 'target_user_id'])(
    'finds a column %s without a foreign key',
    async (column) => {
      const { texts } = await checkUsers(`CREATE TABLE things (id bigint PRIMARY KEY, ${column} bigint)`);
      expect(texts).toEqual([
        expect.stringMatching(/^extra\.things has a column \S+ \(bigint\) like the account's key: /),
      ]);
    },
  );

  it('finds what hangs on a listed table by the name of its key only, at any distance', async () => {
    const { texts } = await checkUsers(`
      CREATE TABLE attachments (id bigint PRIMARY KEY, message_id bigint);
      CREATE TABLE thumbnails (id bigint PRIMARY KEY, "attachmentId" bigint);
      CREATE TABLE repost (id bigint PRIMARY KEY, remessage_id bigint, message_id text);`);
    expect(texts).toEqual([
      `extra.attachments has a column message_id (bigint) like the key of extra.messages: ${THROUGH('extra.messages')}, ${OR_IGNORE}`,
      `extra.thumbnails has a column "attachmentId" (bigint) like the key of extra.attachments: ${THROUGH('extra.attachments')}, ${OR_IGNORE}`,
    ]);
  });

  it('finds arrays of keys, keys in another type, and keys that may be those of other tables', async () => {
    const { texts } = await checkUsers(`
      CREATE TABLE a (user_ids bigint[]); CREATE TABLE b (user_id text); CREATE TABLE c (user_id bigint, user_type text);`);
    expect(texts.map((text) => text.split(': ')[1])).toEqual([
      'rows that belong to several accounts are not possible in this version',
      'keys in another type than the account has are not possible in this version',
      'user_type beside it says which table it belongs to, and such rows are not possible in this version',
    ]);
  });

  it('warns of columns that may point at accounts', async () => {
    const files = 'CREATE TABLE files (id bigint PRIMARY KEY, record_type text, record_id bigint)';
    const kind = 'extra.files.record_id points at the table that record_type says: if that may be an account';
    expect(await checkUsers(files)).toMatchObject({ code: 0, warnings: [expect.stringContaining(kind)] });
    const ignore = ['{ column: extra.files.record_type, reason: products only }'];
    expect(await checkUsers(files, ignore)).toMatchObject({ code: 0, warnings: [] });
  });

  it.each([
    [
      'without a foreign key',
      'recipient_id bigint',
      "extra.messages.recipient_id (bigint) is like the account's key beside sender_id: rows of others that name the account there stay as they are",
    ],
    [
      'with one',
      'recipient_id bigint REFERENCES users',
      'extra.messages (recipient_id) references extra.users ON DELETE NO ACTION beside sender_id: rows of others that name the account there stop its erasure',
    ],
  ])('finds a second account column of a listed table %s, until it is decided', async (_, column, text) => {
    const ddl = `ALTER TABLE messages ADD ${column}; CREATE INDEX ON messages (recipient_id)`;
    const say = 'Where that is right, say so: ignore: [{ column: extra.messages.recipient_id, reason: … }]';
    expect(await checkUsers(ddl)).toMatchObject({
      code: 1,
      uncovered: [{ table: 'extra.messages', kind: 'second', text: `${text}. ${say}` }],
    });
    const decided = ['{ column: extra.messages.recipient_id, reason: the recipient keeps it }'];
    expect(await checkUsers(ddl, decided)).toMatchObject({ code: 0, uncovered: [] });
  });

  it('says that it cannot judge where no foreign key points at the account, unless that is acknowledged', async () => {
    const ddl = 'ALTER TABLE messages DROP CONSTRAINT messages_sender_id_fkey; ALTER TABLE users ADD invited_by bigint';
    expect(await checkUsers(ddl)).toMatchObject({
      code: 1,
      errors: [
        expect.stringMatching(
          /cannot be judged: no foreign key points at extra\.users.* account: \{ unreferenced: acknowledged \}$/,
        ),
      ],
      uncovered: [{ table: 'extra.users', kind: 'second' }],
    });
    const decided = ['{ column: extra.users.invited_by, reason: a number says nothing }'];
    const acknowledged = OWN.replace('key: id', 'key: id, unreferenced: acknowledged');
    expect(await checkUsers(ddl, decided, acknowledged)).toMatchObject({ code: 0, errors: [] });
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

  it('names mistakes of the file and what does not fit the database at once', async () => {
    await create('CREATE TABLE visits (account_id bigint)');
    const { env } = await check();
    writeFileSync(
      env.LETHE_CATALOG,
      READER_CATALOG.replace('flag: erasure_requested_at', 'flag: flagged').replace(
        'owner: identity',
        'onwer: identity',
      ),
    );
    const { code, err } = await runVerb(env, ['catalog', 'check']);
    expect(code).toBe(2);
    expect(err.trimEnd().split('\n')).toEqual([
      `lethe: ${env.LETHE_CATALOG}: locations.0: sessions: unknown key onwer: owner?`,
      'lethe: account.flag: public.accounts has no column flagged',
      expect.stringMatching(/^lethe: extra\.visits has a column account_id/),
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
  const entries: { required: string[]; properties: object }[] = schema.properties.locations.items.anyOf;
  expect(entries.map(({ required }) => required)).toEqual([
    ['table', 'account', 'owner'],
    ['partner', 'http', 'owner'],
    ['partner', 'request', 'owner'],
    ['partner', 'event', 'owner'],
    ['partner', 's3', 'owner'],
  ]);
  for (const { properties } of [schema.properties.account, ...entries, schema.properties.ignore.items])
    for (const [name, field] of Object.entries<{ description?: string }>(properties))
      expect(field.description, name).toMatch(/\.$/);
});

describe('what an erasure sets off', () => {
  const on = (event: string, table: string, name: string) =>
    `CREATE TRIGGER note AFTER ${event} ON ${table} FOR EACH ROW EXECUTE FUNCTION extra.${name}();`;
  const functionOf = (name: string, body: string) =>
    `CREATE FUNCTION extra.${name}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN ${body.replaceAll("'", "''")} RETURN NULL; END';`;
  const AUDIT = 'CREATE TABLE audit (words text); CREATE TABLE "Log" (words text);';
  const writes = (table: string, on = 'accounts') =>
    `extra.${table} is written to by trigger note on ${on} when an account is erased: list it under locations, with the column that holds the account's key, or under ignore with a reason`;

  it.each<[string, string, string[]]>([
    [
      'writes where a trigger of the account says',
      functionOf('n', 'INSERT INTO audit VALUES (OLD.email);') + on('DELETE', 'accounts', 'n'),
      [writes('audit')],
    ],
    [
      'writes as the flag is set',
      functionOf('n', 'insert  into extra."Log" VALUES (OLD.email);') + on('UPDATE', 'accounts', 'n'),
      [writes('"Log"')],
    ],
    [
      'writes in a function that is called',
      `CREATE FUNCTION extra.log() RETURNS void LANGUAGE sql AS 'UPDATE ONLY extra.audit SET words = NULL';
       ${functionOf('n', 'PERFORM extra.log();')} ${on('DELETE', 'posts', 'n')}`,
      [writes('audit', 'posts')],
    ],
    [
      'writes by a rule',
      'CREATE RULE note AS ON DELETE TO public.feeds DO ALSO DELETE FROM extra.audit WHERE words = OLD.title;',
      [writes('audit', 'feeds').replace('trigger', 'rule')],
    ],
    [
      'does something else, or only to what is listed',
      functionOf(
        'n',
        `-- INSERT INTO audit
         /* DELETE FROM audit */ PERFORM words FROM audit FOR UPDATE; UPDATE posts SET title = ''; DELETE FROM accounts WHERE false;`,
      ) + on('DELETE', 'sessions', 'n'),
      [],
    ],
    [
      'listens to what no erasure does',
      functionOf('n', 'INSERT INTO audit VALUES (1);') + on('INSERT', 'accounts', 'n') + on('UPDATE', 'posts', 'n'),
      [],
    ],
  ])('%s', async (_, ddl, expected) => {
    await create(AUDIT + ddl);
    const { texts, code } = await check();
    expect(texts).toEqual(expected);
    expect(code).toBe(expected.length > 0 ? 1 : 0);
    if (expected.length === 0) return;
    const name = (expected[0] as string).startsWith('extra."Log"') ? `'extra."Log"'` : 'extra.audit';
    expect((await check(`ignore: [{ table: ${name}, reason: words only }]`)).code).toBe(0);
  });

  it('cannot be read where it is put together, which is said', async () => {
    await create(
      AUDIT + functionOf('n', "EXECUTE format('INSERT INTO %I VALUES (1)', 'audit');") + on('DELETE', 'posts', 'n'),
    );
    const { warnings, code } = await check();
    expect(warnings[0]).toBe(
      'trigger note on posts: what it writes to cannot be read from its text; an erasure finds out while it runs',
    );
    expect(code).toBe(0);
  });
});
