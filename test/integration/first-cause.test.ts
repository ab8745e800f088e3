import { sql } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { replayErasure } from '../../src/erasure/accept/replay.ts';
import { requestErasure } from '../../src/erasure/accept/request.ts';
import { eraseNow, startErasure } from '../../src/erasure/accept/start.ts';
import { findErasure } from '../../src/erasure/model/states.ts';
import type { Resources } from '../../src/resources.ts';
import { sqlState } from '../../src/store/sql-errors.ts';
import { pipeline, transaction } from '../../src/store/transaction.ts';
import { expectErased } from '../support/evidence.ts';
import { begin, run, step } from '../support/run-by-hand.ts';
import { LARGE, SMALL, subject } from '../support/subject.ts';
import { createWorld, READER_CATALOG, type World } from '../support/world.ts';

let world: World;
/** A process that has just started: it has looked at the foreign keys once, and at nothing since. */
let domain: Resources;

beforeAll(async () => {
  world = await createWorld({
    catalog: `${READER_CATALOG}ignore: [{ table: invoices, reason: kept by law }]\n`,
    env: { LETHE_CHUNK_ROWS: '500' },
  });
  await world.sql.unsafe(`
    CREATE TABLE invoices (account_id bigint REFERENCES accounts, post_id bigint REFERENCES posts);
    CREATE INDEX ON invoices (account_id);
    CREATE ROLE ${role()} LOGIN PASSWORD 'x' IN ROLE pg_read_all_data, pg_write_all_data;
    GRANT ALL ON SCHEMA lethe, lethe_migrations TO ${role()};`);
});
afterAll(async () => {
  const name = role();
  await world.sql.unsafe(`DROP OWNED BY ${name}`);
  await world.close();
});
afterEach(() =>
  world.sql.unsafe('DROP FUNCTION IF EXISTS refuse() CASCADE; DROP TABLE IF EXISTS late; TRUNCATE invoices'),
);
const role = () => `clerk_${new URL(world.url).pathname.slice(1)}`;

/** Stands for what is wrong: how it comes about, how it is mended, and what has to be said. */
type Trouble = { cause: (account: string) => string; mend: string; says: RegExp };
const TROUBLES: [string, Trouble][] = [
  [
    'a trigger that raises',
    {
      cause: () => `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
        CREATE TRIGGER refuse BEFORE DELETE ON posts FOR EACH ROW EXECUTE FUNCTION refuse()`,
      mend: 'DROP FUNCTION refuse() CASCADE',
      says: /^database_error: SQLSTATE P0001 on public.posts$/,
    },
  ],
  [
    'a trigger of the account that raises',
    {
      cause: () => `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
        CREATE TRIGGER refuse AFTER DELETE ON accounts FOR EACH ROW EXECUTE FUNCTION refuse()`,
      mend: 'DROP FUNCTION refuse() CASCADE',
      says: /^database_error: SQLSTATE P0001 on public.accounts$/,
    },
  ],
  [
    'a right that is taken away',
    {
      cause:
        () => `REVOKE pg_write_all_data FROM ${role()}; GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public, lethe TO ${role()};
        REVOKE DELETE ON feeds FROM ${role()}, PUBLIC`,
      mend: 'GRANT DELETE ON feeds TO PUBLIC',
      // Said by whoever is first: the statement, or who looks at the catalog from time to time.
      says: /^(database_error: SQLSTATE 42501 on public.feeds$|catalog_invalid: public.feeds: missing grant)/,
    },
  ],
  [
    'a row below the account in a table under ignore',
    {
      cause: (account) => `INSERT INTO invoices (account_id) VALUES (${account})`,
      mend: 'TRUNCATE invoices',
      says: /^(still_referenced: SQLSTATE 23503 on|foreign_reference:) public.invoices .*\(invoices_account_id_fkey\)/,
    },
  ],
  [
    'a row below a post in a table under ignore',
    {
      cause: (account) => `INSERT INTO invoices (post_id) SELECT min(id) FROM posts WHERE account_id = ${account}`,
      mend: 'TRUNCATE invoices',
      says: /^(still_referenced: SQLSTATE 23503 on|foreign_reference:) public.invoices .*\(invoices_post_id_fkey\)/,
    },
  ],
  [
    'a foreign key that has come meanwhile',
    {
      cause: (account) =>
        `CREATE TABLE late (account_id bigint REFERENCES accounts); INSERT INTO late VALUES (${account})`,
      mend: 'DROP TABLE late',
      says: /^(still_referenced: SQLSTATE 23503 on public.late|catalog_invalid: public.late) /,
    },
  ],
];

describe.each(TROUBLES)('%s', (_, { cause, mend, says }) => {
  it.each([SMALL, LARGE])('stalls an erasure of %i posts at once, and is named', async (posts) => {
    const url = new URL(world.url);
    url.username = role();
    url.password = 'x';
    domain = await world.domain({ DATABASE_URL: url.href });
    const s = await subject(world.sql, posts);
    const noted: unknown[] = [];
    const note = (fields: unknown) => noted.push(fields);
    const ctx = { ...domain.ctx, log: Object.assign(Object.create(domain.ctx.log), { info: note, warn: note }) };
    await world.sql.unsafe(cause(s.account));
    let id: string;
    if (posts === SMALL) {
      const request = { accountKey: [s.account], requestedBy: 'test' };
      const { erasure } = await requestErasure(ctx, request, { eraseSmall: true });
      if (erasure.state === 'running') await eraseNow(ctx, erasure);
      else await startErasure(ctx, erasure.id);
      id = erasure.id;
    } else id = await begin(ctx, s.account);
    // A chunk that fails for good throws; its parent says so at its next step.
    for (let steps = 0; steps < 8; steps++) {
      if ((await findErasure(domain.ctx.db, id))?.state !== 'running') break;
      await step(ctx, id).catch(() => {});
    }
    expect((await findErasure(domain.ctx.db, id))?.state).toBe('stalled');
    const failed = await world.sql`SELECT last_error FROM lethe.task WHERE erasure_id = ${id} AND state = 'failed'`;
    expect(failed.map((t) => t.last_error)).toEqual([expect.stringMatching(says)]);
    expect(JSON.stringify(noted)).not.toContain('25P02');
    await world.sql.unsafe(mend);
    await replayErasure(ctx, id, 'test');
    expect((await run(ctx, id)).kind).toBe('completed');
    await expectErased(world.sql, s.account, id, s.before);
  });
});

describe('of several failures of one transaction', () => {
  it('the one that is the cause is thrown, and not what an earlier statement meets after it', async () => {
    domain = await world.domain();
    const failing = transaction(domain.ctx.db, { statementMs: 5_000, lockMs: 1_000 }, (tx) =>
      pipeline([
        async () => {
          await tx.execute(sql`SELECT 1`);
          await tx.execute(sql`SELECT 2`);
        },
        () => tx.execute(sql`SELECT 1 / 0`),
        () => tx.execute(sql`SELECT 'x'::int`),
      ]),
    );
    expect(sqlState(await failing.catch((error) => error))).toBe('22012');
  });
});
