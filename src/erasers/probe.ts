import { sql } from 'drizzle-orm';
import type { KeyValue, Location } from '../catalog/types.ts';
import type { Executor } from '../db/client.ts';
import { belongsTo, relation } from './sql.ts';

/** Rows of the account in a location, counted up to `limit` only: never a full count of a large account. */
export async function countUpTo(db: Executor, location: Location, account: KeyValue, limit: number): Promise<number> {
  const [row] = await db.execute<{ n: number }>(sql`
    SELECT count(*)::int AS n FROM (
      SELECT 1 FROM ${relation(location)} AS t WHERE ${belongsTo('t', location.account, account)} LIMIT ${limit}) AS sample`);
  return row?.n ?? 0;
}

/** Names of the locations that still hold a row of the account. */
export async function findRemaining(
  db: Executor,
  locations: readonly Location[],
  account: KeyValue,
): Promise<string[]> {
  if (locations.length === 0) return [];
  const probes = locations.map(
    (l) => sql`SELECT ${l.name}::text AS name WHERE EXISTS (
      SELECT 1 FROM ${relation(l)} AS t WHERE ${belongsTo('t', l.account, account)})`,
  );
  const rows = await db.execute<{ name: string }>(sql.join(probes, sql` UNION ALL `));
  return rows.map((row) => row.name);
}
