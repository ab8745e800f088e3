import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { migrate } from '../../src/store/migrate.ts';
import { until } from '../support/until.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;

/** The database as the first migration left it. */
beforeEach(async () => {
  world = await createWorld();
  await world.sql.unsafe('DROP SCHEMA lethe CASCADE; CREATE SCHEMA lethe');
  const first = readFileSync('drizzle/0000_init.sql', 'utf8').replaceAll('--> statement-breakpoint', '');
  await world.sql.unsafe(first.replace(/CREATE SCHEMA "lethe";/, ''));
  await world.sql`DELETE FROM lethe_migrations.__drizzle_migrations WHERE id > 1`;
});
afterEach(() => world.close());

const migrations = readdirSync('drizzle').filter((f) => f.endsWith('.sql')).length;
const rows = () => world.sql`INSERT INTO lethe.erasure (id, state, mode, starts_at, due_at, catalog_digest)
  VALUES (gen_random_uuid(), 'completed', 'immediate', now(), now(), 'c')`;

describe('a migration of a database in use', () => {
  it('gives way to whoever holds a table, and nobody waits long behind it', async () => {
    const reader = await world.sql.reserve();
    await reader`BEGIN`;
    await reader`SELECT 1 FROM lethe.erasure`;
    const migrating = migrate(world.url);
    await until('the migration waits', async () => {
      const waiting =
        await world.sql`SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'lethe.erasure'::regclass`;
      return waiting.length > 0;
    });
    const asked = performance.now();
    await rows();
    expect(performance.now() - asked).toBeLessThan(6_000);
    await reader`COMMIT`;
    reader.release();
    expect(await migrating).toBe(migrations - 1);
  }, 120_000);

  it('finds an index that was built beforehand, without locking anybody out', async () => {
    await world.sql`CREATE INDEX CONCURRENTLY erasure_state ON lethe.erasure (state, id)`;
    expect(await migrate(world.url)).toBe(migrations - 1);
  });

  it('commits one by one: what came before the one that fails stays', async () => {
    await world.sql.unsafe(`
      CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$
        BEGIN IF current_query() LIKE '%erasure_sign_out%' THEN RAISE 'not this one'; END IF; END $$;
      CREATE EVENT TRIGGER refuse ON ddl_command_start EXECUTE FUNCTION refuse()`);
    await expect(migrate(world.url)).rejects.toThrow();
    const columns = await world.sql`SELECT 1 FROM pg_attribute
      WHERE attrelid = 'lethe.erasure'::regclass AND attname IN ('held_by', 'sign_out_at')`;
    expect(columns.length).toBe(2);
    await world.sql`DROP EVENT TRIGGER refuse`;
    // The one that failed, and those after it.
    expect(await migrate(world.url)).toBe(migrations - 3);
    expect(await migrate(world.url)).toBe(0);
  });
});
