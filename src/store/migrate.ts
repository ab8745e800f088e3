import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { sql } from 'drizzle-orm';
import { type MigrationMeta, readMigrationFiles } from 'drizzle-orm/migrator';
import { drizzle } from 'drizzle-orm/postgres-js';
import { type Executor, openDriver } from './client.ts';
import { sqlState } from './sql-errors.ts';

const MIGRATIONS = fileURLToPath(new URL('../../drizzle', import.meta.url));
/** Any fixed number: two migrations at once would both find a table missing and create it. */
const LOCK = 7_305_221;
const CONFIG = { migrationsFolder: MIGRATIONS, migrationsSchema: 'lethe_migrations' };
/** A lock that is waited for makes everybody wait who comes after: give way, and come again. */
const LOCK_TIMEOUT = '3s';
const ATTEMPTS = 60;
const ROLE_LIMITS = ['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout'];

/**
 * Brings schema `lethe` up to date and returns how many migrations were applied. Needs a direct
 * connection: the advisory lock belongs to a session, which a transaction pooler does not keep.
 */
export async function migrate(url: string): Promise<number> {
  const client = openDriver(url, { max: 1, applicationName: 'lethe-migrate', connectTimeout: 5 });
  try {
    const db = drizzle(client);
    // What the role sets would end a wait for another migration, or the building of an index.
    await client`SELECT set_config(name, '0', false) FROM pg_settings WHERE name IN ${client(ROLE_LIMITS)}`;
    await client`SELECT pg_advisory_lock(${LOCK})`;
    const before = await appliedMigrations(db);
    await client`SELECT set_config('lock_timeout', ${LOCK_TIMEOUT}, false)`;
    const all = readMigrationFiles(CONFIG);
    for (let n = 1; n <= all.length; n++) await applyFirst(db, all.slice(0, n));
    return (await appliedMigrations(db)) - before;
  } finally {
    await client.end({ timeout: 5 });
  }
}

/** The migrator behind drizzle's own `migrate()`, which the types keep to themselves. */
type Migrator = {
  dialect: { migrate: (migrations: MigrationMeta[], session: unknown, config: typeof CONFIG) => Promise<void> };
  session: unknown;
};

/**
 * Applies what is missing of `migrations`, in one transaction. Called with one more each time: together
 * in one transaction, a table that one migration alters would stay locked while the next builds an index.
 */
async function applyFirst(db: ReturnType<typeof drizzle>, migrations: MigrationMeta[]): Promise<void> {
  const { dialect, session } = db as unknown as Migrator;
  for (let attempt = 1; ; attempt++) {
    try {
      return await dialect.migrate(migrations, session, CONFIG);
    } catch (error) {
      if (sqlState(error) !== '55P03' || attempt === ATTEMPTS) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
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
