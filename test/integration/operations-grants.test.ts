import { readFileSync } from 'node:fs';
import postgres from 'postgres';
import { afterAll, expect, it } from 'vitest';
import { PATIENCE } from '../../src/erasure/watch/follow.ts';
import { keepOwners } from '../../src/erasure/watch/keep-owners.ts';
import { connect } from '../../src/store/client.ts';
import { missingGrants } from '../../src/store/grants.ts';
import { migrate } from '../../src/store/migrate.ts';
import { expectErased } from '../support/evidence.ts';
import { accepted, SMALL, subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
const roles: string[] = [];

afterAll(async () => {
  await world.close();
  const admin = postgres(world.url.replace(/\/[^/]*$/, '/postgres'), { max: 1 });
  for (const role of roles) await admin`DROP ROLE IF EXISTS ${admin(role)}`;
  await admin.end();
});

it('the grants of docs/operations.md, pasted as they stand, are enough to migrate, to erase, to watch owners and to export the gauges', async () => {
  world = await createWorld();
  await world.sql.unsafe('DROP SCHEMA lethe, lethe_migrations CASCADE');
  const [, block] = /### Grants[\s\S]*?```sql\n([\s\S]*?)```/.exec(readFileSync('docs/operations.md', 'utf8')) ?? [];
  const database = world.url.split('/').at(-1) as string;
  // Roles belong to the whole server, which other test files share.
  const [role, owner] = [`role_${database}`, `owner_${database}`];
  roles.push(role, owner);
  const sql = (block as string)
    .replaceAll('lethe_owner', owner)
    .replace('CREATE ROLE lethe ', `CREATE ROLE ${role} `)
    .replaceAll('TO lethe;', `TO ${role};`)
    .replace('DATABASE app ', `DATABASE ${database} `);
  const [before, after] = sql.split(/^-- After .*$/m) as [string, string];
  const as = (name: string, password: string) => {
    const url = new URL(world.url);
    url.username = name;
    url.password = password;
    return url.href;
  };
  await world.sql.unsafe(before);
  await migrate(as(owner, 'change-me-too'));
  const owning = postgres(as(owner, 'change-me-too'), { max: 1 });
  await owning.unsafe(after);
  await owning`CREATE TABLE lethe.of_a_later_version (id int)`;
  const serving = connect(as(role, 'change-me'), { max: 1, applicationName: 'grants' });
  expect(await missingGrants(serving.db)).toEqual([]);
  // One owner is in the catalog no more, one is new.
  await world.sql`INSERT INTO lethe.owner (name, state, since, watched_at, measured) VALUES ('gone', 'well', now(), now(), '{}')`;
  const look = { owners: ['reader'], told: new Set<string>(), open: new Map(), done: new Map(), troubles: [] };
  await keepOwners(serving.db, look, { patience: PATIENCE, publicUrl: 'http://lethe.test' });
  expect(await world.sql`SELECT name FROM lethe.owner`).toEqual([{ name: 'reader' }]);
  await serving.close();
  await owning.end();
  const { account, before: rows } = await subject(world.sql, SMALL);
  const call = await world.api({ DATABASE_URL: as(role, 'change-me'), LETHE_METRICS_PORT: '0' });
  const { id } = await accepted(call, account);
  await expectErased(world.sql, account, id, rows);
  await until('the lease is taken', async () => {
    const [row] = await world.sql`SELECT holder FROM lethe.duty WHERE name = 'gauges'`;
    return row?.holder;
  });
  const [owned] = await world.sql`SELECT nspowner::regrole::text AS owner FROM pg_namespace WHERE nspname = 'lethe'`;
  expect(owned?.owner).toBe(owner);
});
