import { sql } from 'drizzle-orm';
import { qualified } from '../../catalog/live/names.ts';
import { about } from '../../catalog/live/statement.ts';
import type { Catalog, TableName } from '../../catalog/live/types.ts';
import { LetheError } from '../../errors.ts';
import type { Transaction } from '../../store/client.ts';
import { quoted } from '../../store/quoted.ts';
import { goByHooks, hooksOf, isHooked } from './rows/hooks.ts';

/** Rows that this session has deleted, and written in any way, by location; `schema.table` for what is in no catalog. */
type Tally = Map<string, { deleted: number; written: number }>;
type Rows = ReadonlyMap<string, number>;

/**
 * Deletes with `erase`, which returns its rows by location, and returns what triggers and rules deleted besides. The
 * server counts what each transaction does to each table, whoever asks for it. Asks nothing while nothing listens.
 * Throws `unexpected_changes` when a table that is neither listed nor ignored was written, or rows went that cannot be
 * counted. The transaction must not be committed.
 */
export async function withSideEffects<T extends { rows: Rows }>(
  tx: Transaction,
  catalog: Catalog,
  erase: () => Promise<T>,
): Promise<T & { besides: Map<string, number> }> {
  goByHooks(tx, catalog);
  if (!isHooked(catalog)) return { ...(await erase()), besides: new Map() };
  const before = await readTally(tx, catalog);
  const erased = await erase();
  // Deferred triggers would run at the commit, when nobody looks any more.
  await settleConstraints(tx, catalog);
  return { ...erased, besides: compare(catalog, before, await readTally(tx, catalog), erased.rows) };
}

/** Runs now what constraints and their triggers have left for the commit. */
export async function settleConstraints(tx: Transaction, catalog: Catalog): Promise<void> {
  await about([catalog.account, ...catalog.tables], () => tx.execute(sql`SET CONSTRAINTS ALL IMMEDIATE`));
}

/** Adds rows by location. */
export function add(to: Map<string, number>, rows: Rows): void {
  for (const [location, count] of rows) to.set(location, (to.get(location) ?? 0) + count);
}

const nameOf = (t: TableName) => `${quoted(t.schema)}.${quoted(t.table)}`;

async function readTally(tx: Transaction, catalog: Catalog): Promise<Tally> {
  const listed = [
    ...catalog.tables.map((l) => ({ name: l.name, table: nameOf(l) })),
    { name: catalog.account.table, table: nameOf(catalog.account) },
  ];
  const rows = await tx.execute<{ name: string; deleted: number; written: number }>(sql`
    WITH RECURSIVE named (name, oid) AS (
      SELECT v ->> 'name', to_regclass(v ->> 'table')::oid FROM jsonb_array_elements(${JSON.stringify(listed)}::jsonb) AS v
      UNION SELECT named.name, i.inhrelid FROM pg_inherits i JOIN named ON i.inhparent = named.oid
    ), ignored (oid) AS (
      SELECT to_regclass(v)::oid FROM jsonb_array_elements_text(${JSON.stringify(catalog.ignored)}::jsonb) AS v
      UNION SELECT i.inhrelid FROM pg_inherits i JOIN ignored ON i.inhparent = ignored.oid
    ), counted AS (
      SELECT coalesce(named.name, n.nspname || '.' || c.relname) AS name,
             pg_stat_get_xact_tuples_deleted(c.oid) AS deleted,
             pg_stat_get_xact_tuples_inserted(c.oid) + pg_stat_get_xact_tuples_updated(c.oid) AS others
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN named ON named.oid = c.oid
       WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'lethe', 'lethe_migrations')
         AND c.oid NOT IN (SELECT oid FROM ignored WHERE oid IS NOT NULL))
    SELECT name, sum(deleted)::numeric AS deleted, sum(deleted + others)::numeric AS written
      FROM counted WHERE deleted + others > 0 GROUP BY name`);
  return new Map(rows.map(({ name, ...counts }) => [name, counts]));
}

function compare(catalog: Catalog, before: Tally, after: Tally, own: Rows): Map<string, number> {
  const besides = new Map<string, number>();
  const listed = new Set([catalog.account.table, ...catalog.tables.map((l) => l.name)]);
  const elsewhere: string[] = [];
  for (const [name, { written }] of after)
    if (!listed.has(name) && written > (before.get(name)?.written ?? 0)) elsewhere.push(name);
  if (elsewhere.length > 0) {
    throw new LetheError(
      'unexpected_changes',
      `deleting rows has written to ${elsewhere.join(', ')}, which the catalog neither lists nor ignores (see ${namesOf(catalog)}): list it, or name it under ignore with a reason`,
    );
  }
  for (const name of listed) {
    const deleted = (after.get(name)?.deleted ?? 0) - (before.get(name)?.deleted ?? 0);
    const more = deleted - (own.get(name) ?? 0);
    if (more < 0) {
      throw new LetheError(
        'unexpected_changes',
        `${name}: the server has counted ${deleted} deleted rows instead of ${own.get(name)}: track_counts is off, or a trigger empties the table with TRUNCATE (see ${namesOf(catalog)})`,
        { location: name },
      );
    }
    if (more > 0 && name === catalog.account.table) {
      throw new LetheError(
        'unexpected_changes',
        `${qualified(catalog.account)}: a trigger or rule deletes rows of accounts (see ${namesOf(catalog)}), which only the last step may`,
      );
    }
    if (more > 0 && catalog.gathered.has(name)) {
      throw new LetheError(
        'unexpected_changes',
        `${name}: a trigger or rule deletes its rows (see ${namesOf(catalog)}), so partners cannot be told of them: let it leave out what Lethe's role deletes`,
        { location: name },
      );
    }
    if (more > 0) besides.set(name, more);
  }
  return besides;
}

const namesOf = (catalog: Catalog) =>
  hooksOf(catalog)
    .map(({ kind, name, table }) => `${kind} ${name} on ${table}`)
    .join(', ');
