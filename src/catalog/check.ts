import { sql } from 'drizzle-orm';
import type { Executor } from '../db/client.ts';
import { hiddenTables, missingGrants } from '../db/grants.ts';
import { NO_TRIGGERS } from '../db/transaction.ts';
import { UsageError } from '../errors.ts';
import { inspectForeignKeys, inspectTables } from './inspect.ts';
import type { Declaration } from './load.ts';
import { tableName } from './names.ts';
import { type Resolution, resolveCatalog } from './resolve.ts';
import type { Catalog } from './types.ts';

/** Compares the catalog with the live schema; see `resolveCatalog` for what is an error. */
export async function inspectCatalog(db: Executor, declared: Declaration): Promise<Resolution> {
  const tables = [declared.account.table, ...declared.locations.map((l) => l.table)].map(tableName);
  const facts = await inspectTables(db, tables);
  const onto = await inspectForeignKeys(db, tables);
  return resolveCatalog(declared, facts, onto, await inspectForeignKeys(db));
}

/**
 * The check at start: the server must be a PostgreSQL 15 or newer that accepts writes, and the
 * catalog must fit it. Throws a UsageError with every problem; returns the warnings otherwise.
 */
export async function checkCatalog(
  db: Executor,
  declared: Declaration,
): Promise<{ catalog: Catalog; warnings: string[] }> {
  const server = await checkServer(db);
  if (server) throw new UsageError([server]);
  const { catalog, errors, warnings } = await inspectCatalog(db, declared);
  const grants = await ownProblems(db);
  if (!catalog || grants.length > 0) throw new UsageError([...grants, ...errors.map((e) => `catalog: ${e}`)]);
  return { catalog, warnings };
}

/** What keeps the role from working with Lethe's own tables, in words. */
export async function ownProblems(db: Executor): Promise<string[]> {
  return [
    ...(await missingGrants(db)).map((statement) => `missing grant: ${statement}`),
    ...(await hiddenTables(db)).map(
      (table) =>
        `${table}: row level security is active for this role and hides rows: ALTER TABLE ${table} DISABLE ROW LEVEL SECURITY`,
    ),
  ];
}

/** Why Lethe cannot work with this server, or undefined. */
export async function checkServer(db: Executor): Promise<string | undefined> {
  const [server] = await db.execute<{ version: number; standby: boolean; readOnly: boolean; replication: string }>(
    sql`SELECT current_setting('server_version_num')::int AS version, pg_is_in_recovery() AS standby,
               current_setting('transaction_read_only')::boolean AS "readOnly",
               current_setting('session_replication_role') AS replication`,
  );
  if (!server || server.version < 150000)
    return `DATABASE_URL: PostgreSQL 15 or newer is needed, found ${server?.version}`;
  if (server.standby) return 'DATABASE_URL: the server is a standby; connect to the primary';
  if (server.readOnly)
    return 'DATABASE_URL: the database is read-only: default_transaction_read_only is on for it, the role or the server';
  return server.replication === 'replica' ? `DATABASE_URL: ${NO_TRIGGERS}` : undefined;
}

/** Milliseconds after which a waiting transaction looks for a deadlock and may be made its victim. */
export async function readDeadlockTimeout(db: Executor): Promise<number> {
  const [row] = await db.execute<{ ms: number }>(
    sql`SELECT setting::int AS ms FROM pg_settings WHERE name = 'deadlock_timeout'`,
  );
  return row?.ms ?? 1000;
}
