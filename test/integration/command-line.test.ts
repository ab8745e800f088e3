import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accepted, SMALL, subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.close());

async function lethe(args: string[], env: Record<string, string> = {}) {
  const running = world.spawn(args, env);
  return { code: await running.exited, output: running.output() };
}

/** The columns, constraints and indexes of Lethe's own schemas. */
const schema = async () =>
  JSON.stringify(
    await world.sql`
      SELECT format('%s.%s.%s %s %s', table_schema, table_name, column_name, data_type, is_nullable) AS what
        FROM information_schema.columns WHERE table_schema LIKE 'lethe%'
      UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname LIKE 'lethe%'
      UNION ALL SELECT conname || pg_get_constraintdef(oid) FROM pg_constraint
                 WHERE connamespace::regnamespace::text LIKE 'lethe%'
      ORDER BY 1`,
  );
const applied = async () => {
  const [row] = await world.sql`SELECT count(*)::int AS n FROM lethe_migrations.__drizzle_migrations`;
  return Number(row?.n);
};
const forgetMigrations = () => world.sql.unsafe('DROP SCHEMA IF EXISTS lethe, lethe_migrations CASCADE');

describe('lethe migrate', () => {
  it('changes nothing where all is applied: neither the schema nor what is stored', async () => {
    const call = await world.api();
    const { account } = await subject(world.sql, SMALL);
    const { id } = await accepted(call, account);
    const stored = () =>
      world.sql`SELECT * FROM lethe.erasure e JOIN lethe.task t ON t.erasure_id = e.id ORDER BY t.id`;
    const [before, rows] = [await schema(), await stored()];
    expect(rows.length).toBeGreaterThan(3);
    for (let i = 0; i < 2; i++) {
      expect(await lethe(['migrate'])).toEqual({ code: 0, output: 'lethe: the schema is up to date\n' });
    }
    expect(await schema()).toBe(before);
    // The mail is written meanwhile or not; what the erasure is does not change.
    expect((await stored()).map((row) => [row.id, row.state])).toEqual(rows.map((row) => [row.id, row.state]));
    expect(rows[0]?.erasure_id).toBe(id);
  });

  it('needs DATABASE_URL alone, and applies everything to an empty database', async () => {
    const [before, count] = [await schema(), await applied()];
    await forgetMigrations();
    const nothing = Object.fromEntries(Object.keys(world.env).map((name) => [name, '']));
    const first = await lethe(['migrate'], { ...nothing, DATABASE_URL: world.url });
    expect(first).toEqual({ code: 0, output: `lethe: ${count} migration(s) applied\n` });
    expect(await schema()).toBe(before);
    expect(await lethe(['migrate'])).toEqual({ code: 0, output: 'lethe: the schema is up to date\n' });
    expect(await applied()).toBe(count);
  });

  it('goes to LETHE_DIRECT_DATABASE_URL where there is one', async () => {
    const pooler = 'postgres://nobody@127.0.0.1:1/none';
    const answer = await lethe(['migrate'], { DATABASE_URL: pooler, LETHE_DIRECT_DATABASE_URL: world.url });
    expect(answer).toEqual({ code: 0, output: 'lethe: the schema is up to date\n' });
  });

  it('is safe several times at once: one applies, the others find nothing to do', async () => {
    const [before, count] = [await schema(), await applied()];
    await forgetMigrations();
    // Held up until all three have come to where they would create the same things.
    const other = await world.sql.reserve();
    await other`BEGIN`;
    await other`CREATE SCHEMA lethe_migrations`;
    const running = [1, 2, 3].map(() => lethe(['migrate']));
    await until('three migrations wait', async () => {
      const waiting = await world.sql`SELECT 1 FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'`;
      return waiting.length === 3;
    });
    await other`ROLLBACK`;
    other.release();
    const answers = await Promise.all(running);
    expect(answers.map((a) => a.code)).toEqual([0, 0, 0]);
    expect(answers.map((a) => a.output).sort()).toEqual([
      `lethe: ${count} migration(s) applied\n`,
      'lethe: the schema is up to date\n',
      'lethe: the schema is up to date\n',
    ]);
    expect(await schema()).toBe(before);
    expect(await applied()).toBe(count);
  });

  it('is asked for by a worker that lacks a migration, which starts once it has run', async () => {
    const LACKING = /^lethe: the database lacks \d+ migration\(s\): run lethe migrate\n$/;
    await forgetMigrations();
    const empty = await lethe(['worker']);
    expect([empty.code, empty.output]).toEqual([2, expect.stringMatching(LACKING)]);
    expect((await lethe(['migrate'])).code).toBe(0);
    const [last] = await world.sql`DELETE FROM lethe_migrations.__drizzle_migrations
      WHERE id = (SELECT max(id) FROM lethe_migrations.__drizzle_migrations) RETURNING *`;
    for (const older of await Promise.all([lethe(['worker']), lethe(['api'])])) {
      expect([older.code, older.output]).toEqual([2, expect.stringMatching(LACKING)]);
    }
    await world.sql`INSERT INTO lethe_migrations.__drizzle_migrations ${world.sql(last ?? {})}`;
    const worker = world.spawn(['worker']);
    await until('the worker works', () => worker.output().includes('"msg":"working"'));
    worker.child.kill('SIGTERM');
    expect(await worker.exited).toBe(0);
  });

  it('fails with exit code 1 and one line where no database answers', async () => {
    const { code, output } = await lethe(['migrate'], { DATABASE_URL: 'postgres://nobody:hunter2@127.0.0.1:1/none' });
    expect(code).toBe(1);
    expect(output).toMatch(/^lethe: .*ECONNREFUSED.*\n$/);
    expect(output).not.toContain('hunter2');
  });
});

describe('lethe', () => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };

  it.each<[string, string[], number, RegExp]>([
    [
      '--help',
      ['--help'],
      0,
      /Usage: lethe[\s\S]*api[\s\S]*worker[\s\S]*migrate[\s\S]*password[\s\S]*Exit codes: 0 done/,
    ],
    ['help', ['help'], 0, /Usage: lethe/],
    ['the help of a command', ['migrate', '--help'], 0, /Usage: lethe migrate/],
    ['--version', ['--version'], 0, new RegExp(`^${version}\n$`)],
    ['an unknown command', ['obliterate'], 2, /unknown command 'obliterate'\nTry lethe --help\./],
    ['no command', [], 2, /Usage: lethe/],
    ['an unknown option', ['--force'], 2, /unknown option '--force'/],
    ['an unknown option of a command', ['migrate', '--force'], 2, /unknown option '--force'/],
    ['an argument too many', ['migrate', 'twice'], 2, /too many arguments/],
    ['a password that is too short', ['password'], 2, /^lethe: the password needs 12 characters or more\n$/],
  ])('answers %s', async (_, args, code, output) => {
    expect(await lethe(args)).toEqual({ code, output: expect.stringMatching(output) });
  });

  it.each(['worker', 'api'])('%s names every mistake of its configuration, a line each, and no value', async (role) => {
    const { code, output } = await lethe([role], { REDIS_URL: '', PORT: 'hunter2', LETHE_SECRET: 'hunter2' });
    expect(code).toBe(2);
    expect(output.trimEnd().split('\n').sort()).toEqual([
      'lethe: LETHE_SECRET: each secret needs 32 characters or more',
      'lethe: PORT: expected a whole number from 0 to 65535',
      'lethe: REDIS_URL: is required',
    ]);
  });

  it.each(['worker', 'api'])('%s fails with exit code 1 and one line where no database answers', async (role) => {
    const { code, output } = await lethe([role], { DATABASE_URL: 'postgres://nobody:hunter2@127.0.0.1:1/none' });
    expect(code).toBe(1);
    expect(output).toBe('lethe: database_unavailable: DATABASE_URL: ECONNREFUSED\n');
  });
});
