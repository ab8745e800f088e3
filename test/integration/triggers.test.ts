import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { inspectCatalog } from '../../src/catalog/check.ts';
import { loadCatalog } from '../../src/catalog/load.ts';
import { replayErasure } from '../../src/erasure/accept/replay.ts';
import { requestErasure } from '../../src/erasure/accept/request.ts';
import { eraseNow } from '../../src/erasure/accept/start.ts';
import type { Context } from '../../src/erasure/model/context.ts';
import { findErasure } from '../../src/erasure/model/states.ts';
import type { Resources } from '../../src/resources.ts';
import { checksum, expectErased, ledger, rowsOf } from '../support/evidence.ts';
import { begin, run } from '../support/run-by-hand.ts';
import { everything, isFlagged, LARGE, SMALL, subject } from '../support/subject.ts';
import { createWorld, READER_CATALOG, type World } from '../support/world.ts';

let world: World;
let domain: Resources;

/** `notes` has no foreign key, and one of its partitions holds the even accounts. */
const CATALOG = `${READER_CATALOG}
  - { table: notes, account: account_id, owner: reader }
ignore: [{ table: statistics, reason: counts only }]
`;

beforeAll(async () => {
  world = await createWorld({ catalog: CATALOG, env: { LETHE_CHUNK_ROWS: '500' } });
  await world.sql.unsafe(`
    CREATE TABLE notes (account_id bigint NOT NULL, id bigint GENERATED ALWAYS AS IDENTITY, text text, PRIMARY KEY (id))
      PARTITION BY HASH (id);
    CREATE TABLE notes_0 PARTITION OF notes FOR VALUES WITH (MODULUS 2, REMAINDER 0);
    CREATE TABLE notes_1 PARTITION OF notes FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    CREATE INDEX ON notes (account_id, id);
    CREATE TABLE statistics (deleted bigint);
    CREATE TABLE audit (text text);`);
  domain = await world.domain();
});
afterAll(() => world.close());
afterEach(() => world.sql.unsafe('DROP FUNCTION IF EXISTS hook() CASCADE'));

/** Makes a trigger that runs `body`; the processes of the test have started before. */
const hook = (when: string, body: string) =>
  world.sql.unsafe(`CREATE FUNCTION hook() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${body} END $$;
    CREATE TRIGGER hook ${when} EXECUTE FUNCTION hook()`);
const unhook = () => world.sql.unsafe('DROP FUNCTION hook() CASCADE');

const addNotes = (account: string, count: number) =>
  world.sql`INSERT INTO notes (account_id, text) SELECT ${account}, 'n' FROM generate_series(1, ${count})`;
const notesOf = async (account: string) =>
  (await world.sql<{ n: number }[]>`SELECT count(*)::int AS n FROM notes WHERE account_id = ${account}`)[0]?.n;

/** Small accounts: accepted and erased as the API does it, and left to the workers where that fails. */
async function ask(ctx: Context, account: string): Promise<string> {
  const asked = await requestErasure(ctx, { accountKey: [account], requestedBy: 'test' }, { eraseSmall: true });
  if (asked.erasure.state === 'running') await eraseNow(ctx, asked.erasure);
  return asked.erasure.id;
}
const stateOf = async (id: string) => (await findErasure(domain.ctx.db, id))?.state;
const mailsOf = async (id: string) =>
  (await world.sql`SELECT kind FROM lethe.notification WHERE erasure_id = ${id} AND kind = 'completed'`).length;
const errorsOf = async (id: string) =>
  (
    await world.sql`SELECT location, last_error AS error FROM lethe.task WHERE erasure_id = ${id} AND state = 'failed'`
  ).map(({ location, error }) => [location, error]);

/** Goes on until it ends; large accounts are begun, small ones asked for. */
async function erase(account: string, posts: number): Promise<string> {
  if (posts === SMALL) {
    const id = await ask(domain.ctx, account);
    if ((await stateOf(id)) === 'running') await run(domain.ctx, id, 4);
    return id;
  }
  const id = await begin(domain.ctx, account);
  // A chunk that fails for good throws; its parent says so at its next step.
  for (let steps = 0; (await stateOf(id)) === 'running' && steps < 10; steps++)
    await run(domain.ctx, id, 10).catch(() => {});
  return id;
}

type Subject = Awaited<ReturnType<typeof subjectOf>>;

/** An account without notes, and a bystander. */
async function subjectOf(posts: number, feeds = 3) {
  const s = await subject(world.sql, posts, feeds);
  return { ...s, before: { ...s.before, notes: 0 } };
}

/** It stalled with this error, nothing is said to be done, and once the cause is gone it ends exactly. */
async function expectStalled(
  { account, before, bystander, sum }: Subject,
  id: string,
  location: string,
  error: string | RegExp,
) {
  expect(await stateOf(id)).toBe('stalled');
  expect(await errorsOf(id)).toEqual([[location, expect.stringMatching(error)]]);
  expect(await mailsOf(id)).toBe(0);
  expect((await rowsOf(world.sql, account)).accounts).toBe(1);
  await unhook();
  await replayErasure(domain.ctx, id, 'test');
  expect((await run(domain.ctx, id)).kind).toBe('completed');
  await expectErased(world.sql, account, id, before);
  expect(await checksum(world.sql, bystander)).toBe(sum);
}

describe('a deletion that the database turns into nothing', () => {
  it.each([
    ['in the request', SMALL],
    ['by the workers', LARGE],
  ])('stalls the erasure when it is that of the account, %s', async (_, posts) => {
    const s = await subjectOf(posts);
    await hook('BEFORE DELETE ON accounts FOR EACH ROW', 'RETURN NULL;');
    const id = await erase(s.account, posts);
    await expectStalled(
      s,
      id,
      'accounts',
      /^change_ignored: public.accounts: DELETE left a row as before although locked: see trigger hook$/,
    );
  });

  it.each([
    ['posts', 'all of a large account', LARGE, 'RETURN NULL;'],
    ['posts', 'some of a large account', LARGE, 'IF OLD.id % 7 = 0 THEN RETURN NULL; END IF; RETURN OLD;'],
    ['posts', 'all of a small account', SMALL, 'RETURN NULL;'],
    ['posts', 'some of a small account', SMALL, 'IF OLD.id % 7 = 0 THEN RETURN NULL; END IF; RETURN OLD;'],
    ['feeds', 'parents of a large account', LARGE, 'RETURN NULL;'],
    ['feeds', 'parents of a small account', SMALL, 'RETURN NULL;'],
  ])('stalls it at once when it is that of %s: %s', async (table, _, posts, body) => {
    const s = await subjectOf(posts, 8);
    await hook(`BEFORE DELETE ON ${table} FOR EACH ROW`, body);
    const id = await erase(s.account, posts);
    await expectStalled(s, id, table, /^change_ignored: public.\w+: DELETE left .* locked: see trigger hook$/);
  });

  it('is told from rows that the application holds: those are waited for', async () => {
    const s = await subjectOf(SMALL);
    await hook('BEFORE DELETE ON posts FOR EACH ROW', 'RETURN OLD;');
    const id = await world.sql.begin(async (tx) => {
      await tx`SELECT 1 FROM posts WHERE account_id = ${s.account} LIMIT 1 FOR UPDATE`;
      return ask(domain.ctx, s.account);
    });
    expect(await stateOf(id)).toBe('running');
    expect((await run(domain.ctx, id)).kind).toBe('completed');
    await expectErased(world.sql, s.account, id, s.before);
  });

  it('refuses the request when it is that of a session, or of the flag', async () => {
    const { account } = await subjectOf(LARGE);
    const request = () => requestErasure(domain.ctx, { accountKey: [account], requestedBy: 'test' });
    await hook('BEFORE DELETE ON sessions FOR EACH ROW', 'RETURN NULL;');
    const was = await everything(world.sql);
    await expect(request()).rejects.toThrow(/^change_ignored: public.sessions: DELETE left 2 rows .* trigger hook$/);
    for (const body of ['RETURN NULL;', 'NEW.erasure_requested_at := NULL; RETURN NEW;']) {
      await unhook();
      await hook('BEFORE UPDATE ON accounts FOR EACH ROW', body);
      await expect(request()).rejects.toThrow(/^change_ignored: public.accounts: UPDATE left a row .* trigger hook$/);
    }
    expect(await everything(world.sql)).toBe(was);
    await unhook();
    await request();
    expect(await isFlagged(world.sql, account)).toBe(true);
  });
});

/** The ways to finish, by the number of posts: in the request, by the first step, after planned chunks. */
const WAYS: [string, number][] = [
  ['in the request', SMALL],
  ['at once', 300],
  ['by the last transaction', 1500],
];

/** Erases an account one of these ways. */
async function finish(way: string, account: string): Promise<string> {
  if (way === 'in the request') return ask(domain.ctx, account);
  const id = await begin(domain.ctx, account);
  await run(domain.ctx, id);
  return id;
}

describe('what a trigger writes while the account goes', () => {
  it.each(WAYS)('into a listed table is erased and counted too, %s', async (way, posts) => {
    const s = await subjectOf(posts);
    await hook(
      'AFTER DELETE ON accounts FOR EACH ROW',
      'INSERT INTO notes (account_id, text) VALUES (OLD.id, OLD.email); RETURN NULL;',
    );
    const id = await finish(way, s.account);
    expect(await stateOf(id)).toBe('completed');
    expect(await notesOf(s.account)).toBe(0);
    await expectErased(world.sql, s.account, id, { ...s.before, notes: 1 });
  });

  it('is found also when the trigger is deferred to the commit', async () => {
    const s = await subjectOf(SMALL);
    await world.sql.unsafe(`
      CREATE FUNCTION hook() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO notes (account_id, text) VALUES (OLD.id, OLD.email); RETURN NULL; END $$;
      CREATE CONSTRAINT TRIGGER hook AFTER DELETE ON accounts DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION hook()`);
    const id = await ask(domain.ctx, s.account);
    expect([await stateOf(id), await notesOf(s.account)]).toEqual(['completed', 0]);
    await expectErased(world.sql, s.account, id, { ...s.before, notes: 1 });
  });

  it('again with each deletion stalls the erasure', async () => {
    const s = await subjectOf(SMALL);
    await addNotes(s.account, 3);
    await hook(
      'AFTER DELETE ON notes FOR EACH ROW',
      "INSERT INTO notes (account_id, text) VALUES (OLD.account_id, 'again'); RETURN NULL;",
    );
    const id = await ask(domain.ctx, s.account);
    for (let steps = 0; (await stateOf(id)) === 'running' && steps < 60; steps++)
      await run(domain.ctx, id, 1).catch(() => {});
    expect(await stateOf(id)).toBe('stalled');
    expect(await errorsOf(id)).toEqual([
      ['notes', expect.stringMatching(/^unexpected_changes: deleting rows writes new ones to notes each time/)],
    ]);
    expect((await rowsOf(world.sql, s.account)).accounts).toBe(1);
  });

  it.each(WAYS)(
    'into a table that is in no catalog stalls the erasure before anything is lost, %s',
    async (way, posts) => {
      const s = await subjectOf(posts);
      await hook('AFTER DELETE ON accounts FOR EACH ROW', 'INSERT INTO audit VALUES (OLD.email); RETURN NULL;');
      const id = await finish(way, s.account);
      if ((await stateOf(id)) === 'running') await run(domain.ctx, id, 4);
      expect(await world.sql`SELECT * FROM audit`).toEqual([]);
      await expectStalled(
        s,
        id,
        'accounts',
        /^unexpected_changes: deleting rows has written to public.audit, .* \(see trigger hook on public.accounts\): list it/,
      );
    },
  );

  it('into a table that is ignored with a reason is the application’s own affair', async () => {
    const s = await subjectOf(SMALL);
    await hook('AFTER DELETE ON posts FOR EACH ROW', 'INSERT INTO statistics VALUES (1); RETURN NULL;');
    const id = await ask(domain.ctx, s.account);
    expect(await stateOf(id)).toBe('completed');
    await expectErased(world.sql, s.account, id, s.before);
    expect((await world.sql`SELECT 1 FROM statistics`).length).toBe(SMALL);
  });
});

describe('what a trigger deletes', () => {
  it.each(WAYS)('from a listed table is in the ledger, %s', async (way, posts) => {
    const s = await subjectOf(posts);
    // Notes go before posts: a trigger on the later of the two would find nothing that is left to delete.
    await addNotes(s.account, 10);
    await hook(
      'AFTER DELETE ON notes FOR EACH ROW',
      `DELETE FROM posts WHERE id = (SELECT min(id) FROM posts WHERE account_id = OLD.account_id);
       DELETE FROM sessions WHERE account_id = OLD.account_id; RETURN NULL;`,
    );
    const id = await finish(way, s.account);
    expect(await stateOf(id)).toBe('completed');
    expect(await notesOf(s.account)).toBe(0);
    await expectErased(world.sql, s.account, id, { ...s.before, notes: 10 });
    expect(await checksum(world.sql, s.bystander)).toBe(s.sum);
  });

  it('from the accounts is an error', async () => {
    const s = await subjectOf(SMALL);
    await hook('AFTER DELETE ON posts FOR EACH ROW', `DELETE FROM accounts WHERE id = ${s.bystander}; RETURN NULL;`);
    const id = await erase(s.account, SMALL);
    await expectStalled(
      s,
      id,
      'accounts',
      /^unexpected_changes: public.accounts: a trigger or rule deletes rows of accounts/,
    );
  });

  it('with TRUNCATE is an error, because nobody has counted it', async () => {
    const s = await subjectOf(SMALL);
    await addNotes(s.account, 3);
    await hook('AFTER DELETE ON accounts FOR EACH ROW', 'TRUNCATE notes; RETURN NULL;');
    const id = await erase(s.account, SMALL);
    await expectStalled(
      { ...s, before: { ...s.before, notes: 3 } },
      id,
      'notes',
      /^unexpected_changes: notes: the server has counted/,
    );
  });

  it('must be counted by the server, or the catalog is refused', async () => {
    await hook('AFTER DELETE ON posts FOR EACH ROW', 'RETURN NULL;');
    const name = new URL(world.url).pathname.slice(1);
    await world.sql.unsafe(`ALTER DATABASE ${name} SET track_counts = off`);
    try {
      await expect(world.domain()).rejects.toThrow(/catalog: track_counts is off/);
      await unhook();
      await world.domain();
    } finally {
      await world.sql.unsafe(`ALTER DATABASE ${name} RESET track_counts`);
    }
  });

  it('and nothing else is counted: the ledger says what the planned deletions took', async () => {
    const s = await subjectOf(SMALL);
    await hook('BEFORE DELETE ON posts FOR EACH STATEMENT', 'RETURN NULL;');
    const id = await ask(domain.ctx, s.account);
    expect(await ledger(world.sql, id)).toEqual(s.before);
  });
});

// Last: whoever looks at the catalog from time to time may have seen the rule, and says so for a while.
describe('a rule in the place of a deletion', () => {
  it.each([
    [
      'DELETE TO accounts DO INSTEAD UPDATE accounts SET email = OLD.id::text WHERE id = OLD.id',
      'accounts: rule soft does something else INSTEAD of each DELETE',
    ],
    [
      'DELETE TO posts WHERE OLD.id > 7 DO INSTEAD NOTHING',
      'posts: rule soft does something else INSTEAD of each DELETE',
    ],
    ['UPDATE TO accounts DO INSTEAD NOTHING', 'accounts: rule soft does something else INSTEAD of each UPDATE'],
  ])('is refused at start where a rule does it: %s', async (rule, words) => {
    const [table] = words.split(':') as [string];
    await world.sql.unsafe(`CREATE RULE soft AS ON ${rule}`);
    try {
      const { errors } = await inspectCatalog(domain.connection.db, loadCatalog(world.env.LETHE_CATALOG as string));
      expect(errors).toEqual([expect.stringContaining(words)]);
      if (rule.startsWith('UPDATE')) return;
      // It came after the start.
      const { account } = await subjectOf(SMALL);
      const id = await erase(account, SMALL);
      expect(await stateOf(id)).toBe('stalled');
      expect((await errorsOf(id))[0]?.[1]).toMatch(/^catalog_invalid: public.\w+: rule soft/);
      expect((await rowsOf(world.sql, account)).accounts).toBe(1);
    } finally {
      await world.sql.unsafe(`DROP RULE soft ON ${table}`);
    }
  });
});
