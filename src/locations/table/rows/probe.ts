import { type SQL, sql } from 'drizzle-orm';
import { about, relation } from '../../../catalog/live/statement.ts';
import type { Catalog, TableLocation, TableName } from '../../../catalog/live/types.ts';
import { belongsTo, inOrder, walks } from '../../../keys/sql.ts';
import type { KeyValue } from '../../../keys/types.ts';
import type { Executor, Transaction } from '../../../store/client.ts';
import { keptText } from '../../../store/kept-text.ts';

/** Rows of the account in a location, counted up to `limit` only: never a full count of a large account. */
export async function countUpTo(
  db: Executor,
  location: TableLocation,
  account: KeyValue,
  limit: number,
): Promise<number> {
  const statement = sql`SELECT count(*)::int AS n FROM (${someRows(location, account, limit)}) AS sample`;
  const [row] = await about(location, () => db.execute<{ n: number }>(statement));
  return row?.n ?? 0;
}

/** The same for several locations in one statement, in their order. */
export async function countEachUpTo(
  db: Executor,
  locations: readonly TableLocation[],
  account: KeyValue,
  limit: number,
): Promise<number[]> {
  if (locations.length === 0) return [];
  const statement = keptText(locations, 'count', { account, limit }, (slots) => {
    const counts = locations.map(
      (l) => sql`(SELECT count(*)::int FROM (${someRows(l, slots.account, slots.limit)}) AS sample)`,
    );
    return sql`SELECT ARRAY[${sql.join(counts, sql`, `)}] AS counts`;
  });
  const [row] = await about(locations, () => db.execute<{ counts: number[] }>(statement));
  return row?.counts ?? [];
}

/** All rows of the account in a location: reads that part of the index from end to end. */
export async function countAll(db: Executor, location: TableLocation, account: KeyValue): Promise<number> {
  const statement = sql`SELECT count(*)::numeric AS n FROM ${relation(location)} AS t
    WHERE ${walks('t', location.account, account)}`;
  const [row] = await about(location, () => db.execute<{ n: number }>(statement));
  return row?.n ?? 0;
}

/** Names of the locations that still have a row of the account. */
export async function findRemaining(
  db: Executor,
  locations: readonly TableLocation[],
  account: KeyValue,
): Promise<string[]> {
  if (locations.length === 0) return [];
  const statement = keptText(locations, 'find remaining', { account }, (slots) => anyRow(locations, slots.account));
  const rows = await about(locations, () => db.execute<{ n: number }>(statement));
  return rows.map(({ n }) => (locations[n] as TableLocation).name);
}

/** The same when all must be gone: the account's own row as well, under the name of its task. */
export async function findLeft(
  db: Executor,
  { account, tables: locations }: Catalog,
  key: KeyValue,
): Promise<string[]> {
  const own = { ...account, name: account.table, account: account.key };
  const tables = [...locations, own];
  const statement = keptText(locations, 'find left', { key }, (slots) => anyRow(tables, slots.key));
  const rows = await about(tables, () => db.execute<{ n: number }>(statement));
  return rows.map(({ n }) => (tables[n] as { name: string }).name);
}

/** Those of the `named` locations that have a row of the account which this very transaction has written. */
export async function findOwn(
  tx: Transaction,
  locations: readonly TableLocation[],
  account: KeyValue,
  named: readonly string[],
): Promise<string[]> {
  const own: string[] = [];
  for (const location of locations.filter((l) => named.includes(l.name))) {
    const statement = sql`SELECT 1 FROM ${relation(location)} AS t
      WHERE ${belongsTo('t', location.account, account)} AND t.xmin = pg_current_xact_id()::xid LIMIT 1`;
    const rows = await about(location, () => tx.execute(statement));
    if (rows.length > 0) own.push(location.name);
  }
  return own;
}

type Probed = TableName & Pick<TableLocation, 'account' | 'key'>;

function anyRow(tables: readonly Probed[], account: KeyValue): SQL {
  // Not EXISTS: there the planner would drop the order that makes it walk the index.
  const probes = tables.map((table, n) => {
    const first = someRows(table, account, sql.raw('1'));
    return sql`(SELECT ${sql.raw(String(n))} AS n FROM (${first}) AS sample)`;
  });
  return sql.join(probes, sql` UNION ALL `);
}

const someRows = (location: Probed, account: KeyValue, limit: number | SQL) => sql`
  SELECT 1 FROM ${relation(location)} AS t WHERE ${walks('t', location.account, account)}
  ${inOrder('t', location)} LIMIT ${limit}`;
