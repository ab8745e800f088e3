import { type SQL, sql } from 'drizzle-orm';
import type { KeyValue, Location } from '../catalog/types.ts';
import type { Executor } from '../db/client.ts';
import { keptText } from '../db/kept-text.ts';
import { inOrder, relation, walks } from './sql.ts';

/** Rows of the account in a location, counted up to `limit` only: never a full count of a large account. */
export async function countUpTo(db: Executor, location: Location, account: KeyValue, limit: number): Promise<number> {
  const [row] = await db.execute<{ n: number }>(
    sql`SELECT count(*)::int AS n FROM (${someRows(location, account, limit)}) AS sample`,
  );
  return row?.n ?? 0;
}

/** The same for several locations in one statement, in their order. */
export async function countEachUpTo(
  db: Executor,
  locations: readonly Location[],
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
  const [row] = await db.execute<{ counts: number[] }>(statement);
  return row?.counts ?? [];
}

/** All rows of the account in a location: reads that part of the index from end to end. */
export async function countAll(db: Executor, location: Location, account: KeyValue): Promise<number> {
  const [row] = await db.execute<{ n: number }>(
    sql`SELECT count(*)::numeric AS n FROM ${relation(location)} AS t WHERE ${walks('t', location.account, account)}`,
  );
  return row?.n ?? 0;
}

/** Names of the locations that still hold a row of the account. */
export async function findRemaining(
  db: Executor,
  locations: readonly Location[],
  account: KeyValue,
): Promise<string[]> {
  if (locations.length === 0) return [];
  const statement = keptText(locations, 'find remaining', { account }, (slots) => {
    // Not EXISTS: there the planner would drop the order that makes it walk the index.
    const probes = locations.map((l, n) => {
      const first = someRows(l, slots.account, sql.raw('1'));
      return sql`(SELECT ${sql.raw(String(n))} AS n FROM (${first}) AS sample)`;
    });
    return sql.join(probes, sql` UNION ALL `);
  });
  const rows = await db.execute<{ n: number }>(statement);
  return rows.map(({ n }) => (locations[n] as Location).name);
}

const someRows = (location: Location, account: KeyValue, limit: number | SQL) => sql`
  SELECT 1 FROM ${relation(location)} AS t WHERE ${walks('t', location.account, account)}
  ${inOrder('t', location)} LIMIT ${limit}`;
