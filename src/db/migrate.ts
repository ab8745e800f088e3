import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/postgres-js';
import { migrate as applyMigrations } from 'drizzle-orm/postgres-js/migrator';
import postgres from 'postgres';
import type { Executor } from './client.ts';

const MIGRATIONS = fileURLToPath(new URL('../../drizzle', import.meta.url));
/** Any fixed number: two migrations at once would both find a table missing and create it. */
const LOCK = 7_305_221;

/**
 * Brings schema `lethe` up to date and returns how many migrations were applied. Needs a direct
 * connection: the advisory lock belongs to a session, which a transaction pooler does not keep.
 */
export async function migrate(url: string): Promise<number> {
  const client = postgres(url, { max: 1, onnotice: () => {}, connect_timeout: 5 });
  try {
    const db = drizzle(client);
    await client`SELECT pg_advisory_lock(${LOCK})`;
    const before = await appliedMigrations(db);
    await applyMigrations(db, { migrationsFolder: MIGRATIONS, migrationsSchema: 'lethe_migrations' });
    return (await appliedMigrations(db)) - before;
  } finally {
    await client.end({ timeout: 5 });
  }
}

async function appliedMigrations(db: Executor | ReturnType<typeof drizzle>): Promise<number> {
  const [row] = await db.execute<{ exists: boolean }>(
    sql`SELECT to_regclass('lethe_migrations.__drizzle_migrations') IS NOT NULL AS exists`,
  );
  if (!row?.exists) return 0;
  const [count] = await db.execute<{ n: number }>(
    sql`SELECT count(*)::int AS n FROM lethe_migrations.__drizzle_migrations`,
  );
  return count?.n ?? 0;
}

/** How many migrations this version brings that the database does not have. */
export async function pendingMigrations(db: Executor): Promise<number> {
  const journal = JSON.parse(await readFile(`${MIGRATIONS}/meta/_journal.json`, 'utf8')) as { entries: unknown[] };
  return Math.max(0, journal.entries.length - (await appliedMigrations(db)));
}
