import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { application } from '../support/application.ts';
import { checksum, expectErased, rowsOf } from '../support/evidence.ts';
import { begin, step } from '../support/run-by-hand.ts';
import { accepted, LARGE, SMALL, subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { createWorld, KEYS, type World } from '../support/world.ts';

let world: World;
let role: string;
/** The environment of a Lethe that connects as the role, which owns nothing. */
let asRole: { DATABASE_URL: string };

const READER = 'accounts, sessions, feeds, posts';
/** All that Lethe needs. */
const GRANTS = [
  'USAGE ON SCHEMA lethe, lethe_migrations',
  'SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA lethe',
  'DELETE ON lethe.idempotency, lethe.canary, lethe.owner',
  'SELECT ON lethe_migrations.__drizzle_migrations',
  `SELECT, UPDATE, DELETE ON ${READER}`,
];
const grant = async () => {
  for (const what of GRANTS) await world.sql.unsafe(`GRANT ${what} TO ${role}`);
};

beforeAll(async () => {
  world = await createWorld();
  const url = new URL(world.url);
  role = `role_${url.pathname.slice(1)}`;
  await world.sql.unsafe(`CREATE ROLE ${role} LOGIN PASSWORD 'reader'`);
  url.username = role;
  url.password = 'reader';
  asRole = { DATABASE_URL: url.href };
  await grant();
});
afterAll(async () => {
  await world.sql.unsafe(`DROP OWNED BY ${role}`);
  await world.sql.unsafe(`DROP ROLE ${role}`);
  await world.close();
});

/** As in an installation that has never started: a catalog that has fitted is served all the same. */
const neverStarted = () => world.sql`DELETE FROM lethe.catalog`;
const refusal = (problems: string[]) => ({ name: 'UsageError', problems });

describe('a role that owns nothing', () => {
  it.each([
    ['in the request', SMALL],
    ['by the workers', LARGE],
  ])('erases an account %s with these grants alone', async (_, posts) => {
    const call = await world.api(asRole);
    const worker = await world.worker(asRole);
    const { account, bystander, before, sum } = await subject(world.sql, posts);
    const headers = { 'Idempotency-Key': `grants-${posts}` };
    const { id } = await accepted(call, account, { body: { startNow: true }, headers });
    await until('the erasure is completed', async () => {
      const { body } = await call('GET', `/v1/erasures/${id}`, { auth: `Bearer ${KEYS.admin}` });
      return body.state === 'completed';
    });
    await expectErased(world.sql, account, id, before);
    expect(await checksum(world.sql, bystander)).toBe(sum);
    await worker.stop();
  });

  it.each([
    [
      'SELECT ON posts',
      `catalog: public.posts: missing grant (FOR UPDATE needs UPDATE): GRANT SELECT ON public.posts TO $role`,
    ],
    [
      'UPDATE, DELETE ON feeds',
      `catalog: public.feeds: missing grant (FOR UPDATE needs UPDATE): GRANT UPDATE, DELETE ON public.feeds TO $role`,
    ],
    [
      'DELETE ON accounts',
      `catalog: public.accounts: missing grant (FOR UPDATE needs UPDATE): GRANT DELETE ON public.accounts TO $role`,
    ],
    ['USAGE ON SCHEMA lethe', `missing grant: GRANT USAGE ON SCHEMA lethe TO $role`],
    ['USAGE ON SCHEMA lethe_migrations', `missing grant: GRANT USAGE ON SCHEMA lethe_migrations TO $role`],
    [
      'SELECT ON lethe_migrations.__drizzle_migrations',
      `missing grant: GRANT SELECT ON lethe_migrations.__drizzle_migrations TO $role`,
    ],
    ['INSERT, UPDATE ON lethe.chunk', `missing grant: GRANT INSERT, UPDATE ON lethe.chunk TO $role`],
    ['DELETE ON lethe.idempotency', `missing grant: GRANT DELETE ON lethe.idempotency TO $role`],
    ['DELETE ON lethe.canary', `missing grant: GRANT DELETE ON lethe.canary TO $role`],
    ['DELETE ON lethe.owner', `missing grant: GRANT DELETE ON lethe.owner TO $role`],
  ])('is refused without %s, and told what to run', async (privileges, problem) => {
    await world.sql.unsafe(`REVOKE ${privileges} FROM ${role}`);
    try {
      const told = problem.replace('$role', role);
      await neverStarted();
      await expect(world.domain(asRole)).rejects.toMatchObject(refusal([told]));
      // The statement that it prints is the one that helps.
      await world.sql.unsafe(told.slice(told.indexOf('GRANT ')));
      await expect(world.domain(asRole)).resolves.toHaveProperty('ctx');
    } finally {
      await grant();
    }
  });

  it('is refused where it may not look into the schema of a location', async () => {
    const { schema, file } = await application(world);
    await world.sql.unsafe(`GRANT SELECT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${schema} TO ${role}`);
    const told = (table: string) =>
      `catalog: ${schema}.${table}: missing grant: GRANT USAGE ON SCHEMA ${schema} TO ${role}`;
    await expect(world.domain({ ...asRole, LETHE_CATALOG: file })).rejects.toMatchObject(
      refusal(['accounts', 'posts', 'feeds'].map(told)),
    );
    await world.sql.unsafe(`GRANT USAGE ON SCHEMA ${schema} TO ${role}`);
    await expect(world.domain({ ...asRole, LETHE_CATALOG: file })).resolves.toHaveProperty('ctx');
  });
});

describe('row level security', () => {
  const enable = () => world.sql.unsafe('ALTER TABLE posts ENABLE ROW LEVEL SECURITY');
  const disable = () => world.sql.unsafe('ALTER TABLE posts DISABLE ROW LEVEL SECURITY');

  it('that is active for the role is refused, and accepted with BYPASSRLS', async () => {
    await enable();
    await neverStarted();
    try {
      await expect(world.domain(asRole)).rejects.toMatchObject(
        refusal([
          'catalog: public.posts: row level security is active for this role and would hide rows: connect as a role with BYPASSRLS',
        ]),
      );
      const lethe = world.spawn(['worker'], asRole);
      expect(await lethe.exited).toBe(2);
      expect(lethe.output()).toMatch(/^lethe: catalog: public\.posts: row level security is active/);
      await world.sql.unsafe(`ALTER ROLE ${role} BYPASSRLS`);
      await expect(world.domain(asRole)).resolves.toHaveProperty('ctx');
    } finally {
      await world.sql.unsafe(`ALTER ROLE ${role} NOBYPASSRLS`);
      await disable();
    }
  });

  it('that becomes active after the start is an error, never a silent filter', async () => {
    const { ctx } = await world.domain(asRole);
    const { account, before } = await subject(world.sql, SMALL);
    await enable();
    try {
      const id = await begin(ctx, account);
      const stalled = await step(ctx, id);
      // Said by whoever is first: the statement, or the process that looks at the catalog from time to time.
      const detail = /^SQLSTATE 42501 on .*public.posts|row level security is active for this role/;
      expect(stalled).toMatchObject({ kind: 'stalled', error: { detail: expect.stringMatching(detail) } });
      // The request deletes the sessions where it has the time.
      const { sessions, ...others } = await rowsOf(world.sql, account);
      expect({ ...others, sessions: before.sessions }).toEqual(before);
      expect([0, before.sessions]).toContain(sessions);
    } finally {
      await disable();
    }
  });
});
