import { type SQL, sql } from 'drizzle-orm';
import { locationOf } from '../../../catalog/live/location-of.ts';
import { qualified } from '../../../catalog/live/names.ts';
import { about, joins, relation } from '../../../catalog/live/statement.ts';
import type { Catalog, Reference, TableLocation } from '../../../catalog/live/types.ts';
import { LetheError } from '../../../errors.ts';
import { asText, belongsTo, inList } from '../../../keys/sql.ts';
import type { KeyValue } from '../../../keys/types.ts';
import type { Transaction } from '../../../store/client.ts';
import { keysOf } from './keys-of.ts';

/** The rows of `child` that reference one of the rows of `parent` with these keys. */
export type Below = {
  readonly parent: TableLocation;
  readonly keys: string[][];
  readonly reference: Reference;
  readonly child: TableLocation;
};

/** What is below these rows by one foreign key. */
export const belowOf = (catalog: Catalog, parent: TableLocation, keys: string[][], reference: Reference): Below => ({
  parent,
  keys,
  reference,
  child: locationOf(catalog.tables, reference.location),
});

/**
 * Rows of `child` that reference one of the parents, looked up parent by parent through the foreign key's index. Left to
 * the planner, statistics from before the deletion make it read the whole table.
 */
export const belowEach = (
  { parent, child, reference, keys }: Below,
  { list, and, limit, lock = sql`` }: { list: SQL; and: SQL; limit: number; lock?: SQL },
): SQL => sql`
  SELECT found.* FROM ${relation(parent)} AS p CROSS JOIN LATERAL (
    SELECT ${list} FROM ${relation(child)} AS t
     WHERE ${joins('t', reference.columns, 'p', reference.referenced)} AND ${and} LIMIT ${limit} ${lock}) AS found
   WHERE ${inList('p', parent.key, keys)}`;

/** True when a row references one of the parents. */
export async function anyChild(tx: Transaction, below: Below): Promise<boolean> {
  const statement = sql`${belowEach(below, { list: sql`1 AS one`, and: sql`true`, limit: 1 })} LIMIT 1`;
  const rows = await about(below.child, () => tx.execute(statement));
  return rows.length > 0;
}

/** Throws `foreign_reference` when a child is not this account's: deleting its parent would take it along. */
export async function refuseForeignRows(tx: Transaction, below: Below, account: KeyValue): Promise<void> {
  const { parent, child, reference } = below;
  const others = sql`${belongsTo('t', child.account, account)} IS NOT TRUE`;
  const list = sql`${asText('t', child.key)} AS key`;
  const rows = await keysOf(tx, child, sql`${belowEach(below, { list, and: others, limit: 5 })} LIMIT 5`);
  if (rows.length === 0) return;
  throw new LetheError(
    'foreign_reference',
    `${qualified(child)} (${reference.columns.join(', ')}): rows that are not this account's reference its rows in ${qualified(parent)} (${reference.constraint})`,
    { referencing: child.name, keys: rows },
  );
}
