import { sql } from 'drizzle-orm';
import { UsageError } from '../errors.ts';
import { KINDS, type Kinds } from '../locations/kinds/registry.ts';
import type { Database, Executor } from '../store/client.ts';
import { hiddenTables, missingGrants } from '../store/grants.ts';
import { sqlState } from '../store/sql-errors.ts';
import { NO_TRIGGERS } from '../store/transaction.ts';
import { type Drift, NO_DRIFT } from './drift.ts';
import type { Declaration } from './live/declared.ts';
import type { Catalog } from './live/types.ts';
import { type Resolution, resolveCatalog } from './resolve.ts';

/** Compares the catalog with the live system; each kind says what is an error. */
export async function inspectCatalog(db: Database, declared: Declaration, kinds: Kinds = KINDS): Promise<Resolution> {
  const { unusable: _, ...resolution } = await resolveCatalog(db, declared, kinds, { leaveOutMisfits: false });
  const uncounted = resolution.catalog?.hooks.length ? await findUncounted(db) : undefined;
  return uncounted ? { errors: [uncounted], warnings: resolution.warnings } : resolution;
}

/** Why the server cannot tell what triggers and rules do, or undefined. */
async function findUncounted(db: Executor): Promise<string | undefined> {
  const [row] = await db.execute<{ counts: boolean }>(sql`SELECT current_setting('track_counts')::boolean AS counts`);
  return row?.counts
    ? undefined
    : 'track_counts is off, so the rows that triggers and rules delete or write cannot be counted: set it on for the role that Lethe connects as';
}

/** The same, with what is left of a catalog that does not fit any more. */
export async function inspectDrifted(
  db: Database,
  declared: Declaration,
  kinds: Kinds,
): Promise<Resolution & { drift: Drift }> {
  const { unusable, ...found } = await resolveCatalog(db, declared, kinds, { leaveOutMisfits: true });
  return { ...found, drift: { problems: found.errors, unusable } };
}

/**
 * The check at start: the server must be a PostgreSQL 15 or newer that accepts writes, and the catalog must fit it.
 * Throws a UsageError with every problem; returns the warnings otherwise. Where a catalog has fitted this database
 * before, the application's migration is to mend, not this process. What is left of the catalog is returned, with the
 * drift.
 */
export async function checkCatalog(
  db: Database,
  declared: Declaration,
  kinds: Kinds = KINDS,
): Promise<{ catalog: Catalog; warnings: string[]; drift: Drift }> {
  const server = await checkServer(db);
  if (server) throw new UsageError([server]);
  const { catalog, errors, warnings, drift } = await inspectDrifted(db, declared, kinds);
  const uncounted = catalog?.hooks.length ? await findUncounted(db) : undefined;
  if (uncounted) throw new UsageError([`catalog: ${uncounted}`]);
  const grants = await ownProblems(db);
  const fits = errors.length === 0 || (await hasFitted(db, declared.digest));
  if (!catalog || !fits || grants.length > 0) throw new UsageError([...grants, ...errors.map((e) => `catalog: ${e}`)]);
  return { catalog, warnings, drift: errors.length === 0 ? NO_DRIFT : drift };
}

/** True when a process has started with this catalog: each keeps the one that fitted. */
async function hasFitted(db: Executor, digest: string): Promise<boolean> {
  try {
    const rows = await db.execute(sql`SELECT 1 FROM lethe.catalog WHERE digest = ${digest}`);
    return rows.length > 0;
  } catch (error) {
    // Not migrated yet, or not for this role: nothing has started here.
    if (['42P01', '3F000', '42501'].includes(sqlState(error) ?? '')) return false;
    throw error;
  }
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
