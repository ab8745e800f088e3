import { sql } from 'drizzle-orm';
import type { Executor } from './client.ts';

/**
 * Tables of Lethe's own whose row security is active for the connected role, as `schema.table`. A statement outside a
 * transaction would see none of their rows, without an error.
 */
export async function hiddenTables(db: Executor): Promise<string[]> {
  const rows = await db.execute<{ name: string }>(sql`
    SELECT n.nspname || '.' || c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname IN ('lethe', 'lethe_migrations') AND c.relkind = 'r' AND row_security_active(c.oid) ORDER BY 1`);
  return rows.map((row) => row.name);
}

/**
 * What the connected role lacks on Lethe's own schemas, as statements. Found out at start,
 * because a worker without them would fail in the middle of an erasure. Empty before the first migration.
 */
export async function missingGrants(db: Executor): Promise<string[]> {
  const rows = await db.execute<{ missing: string }>(sql`
    SELECT 'GRANT USAGE ON SCHEMA ' || nspname || ' TO ' || quote_ident(current_user) AS missing FROM pg_namespace
     WHERE nspname IN ('lethe', 'lethe_migrations') AND NOT has_schema_privilege(oid, 'USAGE')
    UNION ALL
    SELECT 'GRANT ' || string_agg(needed.privilege, ', ' ORDER BY needed.ord)
           || format(' ON %I.%I TO %I', n.nspname, c.relname, current_user)
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
           unnest(CASE WHEN n.nspname = 'lethe_migrations' THEN ARRAY['SELECT']
                       WHEN c.relname IN ('idempotency', 'canary', 'owner') THEN ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']
                       ELSE ARRAY['SELECT', 'INSERT', 'UPDATE'] END) WITH ORDINALITY AS needed(privilege, ord)
     WHERE n.nspname IN ('lethe', 'lethe_migrations') AND c.relkind = 'r'
       AND NOT has_table_privilege(c.oid, needed.privilege)
     GROUP BY n.nspname, c.relname
     ORDER BY 1`);
  return rows.map((row) => row.missing);
}

/** The role that Lethe connects as, as a statement needs it. */
export async function readRole(db: Executor): Promise<string> {
  const [row] = await db.execute<{ role: string }>(sql`SELECT quote_ident(current_user) AS role`);
  return `${row?.role}`;
}
