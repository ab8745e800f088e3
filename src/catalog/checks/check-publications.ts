import { type SQL, sql } from 'drizzle-orm';
import type { Database } from '../../store/client.ts';
import { sanitize, sqlState } from '../../store/sql-errors.ts';
import { transaction } from '../../store/transaction.ts';
import { type Declaration, tablesOf } from '../live/declared.ts';
import { identifier, qualified, tableName } from '../live/names.ts';

/** A lock on a table is taken for the moment that it takes to plan a statement. */
const ASKING = { statementMs: 5_000, lockMs: 1_000 } as const;
/** How the server refuses what is published: rows that nothing identifies, and a row filter or column list that lacks what does. */
const REFUSALS = ['55000', '42P10'];

type Published = { table: string; publications: string[]; identified: boolean; primaryKey: boolean; narrowed: boolean };

/**
 * What a publication keeps Lethe from deleting or changing, in words with the remedy. The server itself is asked, by an
 * EXPLAIN that runs nothing: it knows replica identities, row filters and column lists, also those of partitions.
 */
export async function checkPublications(db: Database, declared: Declaration): Promise<string[]> {
  const [any] = await db.execute(sql`SELECT FROM pg_publication WHERE pubdelete OR pubupdate LIMIT 1`);
  if (!any) return [];
  const problems: string[] = [];
  const { table: account, flag } = declared.account;
  const tables = new Set(
    [account, ...tablesOf(declared).map((l) => l.table)].map((name) => qualified(tableName(name))),
  );
  for (const table of tables)
    problems.push(...(await problemsOf(db, table, 'DELETE', sql`DELETE FROM ${sql.raw(table)}`)));
  if (flag !== undefined) {
    const table = qualified(tableName(account));
    const column = sql.raw(identifier(flag));
    problems.push(...(await problemsOf(db, table, 'UPDATE', sql`UPDATE ${sql.raw(table)} SET ${column} = ${column}`)));
  }
  return problems;
}

async function problemsOf(db: Database, table: string, verb: 'DELETE' | 'UPDATE', statement: SQL): Promise<string[]> {
  try {
    await transaction(db, ASKING, async (tx) => {
      await tx.execute(sql`EXPLAIN ${statement}`);
    });
    return [];
  } catch (error) {
    // What else it refuses (no such table, no right, a locked table) is not about publications.
    const state = sqlState(error) ?? '';
    if (REFUSALS.includes(state)) return describe(await readPublished(db, table, verb), table, `${verb} (${state})`);
    if (sanitize(error).code === 'database_unavailable') throw error;
    return [];
  }
}

/** The table and its partitions as far as they are published, by themselves or as parts of what is. */
const readPublished = (db: Database, table: string, verb: 'DELETE' | 'UPDATE') =>
  db.execute<Published>(sql`
    WITH RECURSIVE part(oid) AS (
      SELECT to_regclass(${table})::oid UNION SELECT i.inhrelid FROM pg_inherits i JOIN part ON i.inhparent = part.oid
    ), above(part, oid) AS (
      SELECT oid, oid FROM part UNION SELECT a.part, i.inhparent FROM above a JOIN pg_inherits i ON i.inhrelid = a.oid
    ), published AS (
      SELECT a.part, p.pubname, t.rowfilter IS NOT NULL OR array_length(t.attnames, 1) < (
               SELECT count(*) FROM pg_attribute x WHERE x.attrelid = c.oid AND x.attnum > 0 AND NOT x.attisdropped) AS narrowed
        FROM above a JOIN pg_class c ON c.oid = a.oid JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_publication_tables t ON t.schemaname = n.nspname AND t.tablename = c.relname
        JOIN pg_publication p ON p.pubname = t.pubname
       WHERE ${verb === 'DELETE' ? sql`p.pubdelete` : sql`p.pubupdate`})
    SELECT format('%I.%I', n.nspname, c.relname) AS table, jsonb_agg(DISTINCT quote_ident(p.pubname)) AS publications,
           c.relreplident = 'f' OR EXISTS (
             SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisvalid
              AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident END) AS identified,
           EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary) AS "primaryKey",
           bool_or(p.narrowed) AS narrowed
      FROM published p JOIN pg_class c ON c.oid = p.part JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'r' GROUP BY n.nspname, c.relname, c.oid ORDER BY n.nspname, c.relname`);

function describe(published: readonly Published[], table: string, refused: string): string[] {
  const words = published
    .filter(({ identified, narrowed }) => !identified || narrowed)
    .map((of) => {
      const by = `publication ${of.publications.join(', ')} publishes ${of.table}`;
      const so = `so the server refuses each ${refused}`;
      return of.identified
        ? `${by}, but its row filter or column list lacks columns of the replica identity, ${so}: publish all columns, and for a row filter ALTER TABLE ${of.table} REPLICA IDENTITY FULL`
        : `${by}, which has no replica identity, ${so}: ALTER TABLE ${of.table} REPLICA IDENTITY ${of.primaryKey ? 'DEFAULT' : 'FULL'}`;
    });
  return words.length > 0 ? words : [`a publication of ${table} makes the server refuse each ${refused}`];
}
