import { type SQL, sql } from 'drizzle-orm';
import { refuseIgnored } from '../../../catalog/live/refuse-ignored.ts';
import { about, joins, relation } from '../../../catalog/live/statement.ts';
import type { Catalog, TableLocation } from '../../../catalog/live/types.ts';
import { asText, belongsTo, columns, inIndex, inList, inOrder, tuple, values, walks } from '../../../keys/sql.ts';
import type { KeyValue } from '../../../keys/types.ts';
import type { Transaction } from '../../../store/client.ts';
import { deleteRows, returning, toldOf } from '../../delete-rows.ts';
import { anyChild, type Below, belowEach, belowOf, refuseForeignRows } from './below.ts';
import { isVetoed } from './hooks.ts';
import { keysOf } from './keys-of.ts';
import { rowsBetween } from './rows-between.ts';

/** Which of the account's rows one call takes, and how it meets rows that the application has locked. */
export type Pick = {
  lower: KeyValue | null;
  upper: KeyValue | null;
  /** At most this many rows of the location, and of each location below it. */
  limit: number | undefined;
  /** Leave rows that are locked by others for a later pass instead of waiting for them. */
  skipLocked: boolean;
};

/** Rows deleted by location name. `more`: the limit was reached before everything picked was gone. */
export type Deleted = { rows: Map<string, number>; more: boolean };

/**
 * Deletes the picked rows of one location and, before them, the account's rows that reference them. Those may have
 * appeared after their own stage was done, and a cascading foreign key would delete them uncounted. Throws
 * `foreign_reference` when rows of another account reference a picked row, and `change_ignored` when something turns
 * the deletion of a picked row into nothing.
 */
export async function eraseRows(
  tx: Transaction,
  catalog: Catalog,
  location: TableLocation,
  account: KeyValue,
  pick: Pick,
): Promise<Deleted> {
  const where = rowsBetween('t', location, account, pick.lower, pick.upper);
  const isLeaf = location.children.length === 0;
  if (isLeaf && !isVetoed(catalog, location)) return eraseLeaf(tx, catalog, location, account, where, pick);
  const keys = await selectKeys(tx, location, where, pick, forUpdate(pick));
  return eraseParents(tx, catalog, account, { location, keys }, pick);
}

/** The key of the n-th row after `lower`, up to `upper`, or null when fewer are left. */
export async function findBound(
  tx: Transaction,
  location: TableLocation,
  account: KeyValue,
  { lower, upper }: { lower: KeyValue | null; upper: KeyValue },
  n: number,
): Promise<string[] | null> {
  const [row] = await about(location, () =>
    tx.execute<{ key: string[] }>(sql`
      SELECT ${asText('t', location.key)} AS key FROM ${relation(location)} AS t
       WHERE ${rowsBetween('t', location, account, lower, upper)} ${inOrder('t', location)} OFFSET ${n - 1} LIMIT 1`),
  );
  return row?.key ?? null;
}

/**
 * Walks the index entries of a range that was deleted some time ago. In their order the pages that had the rows are
 * cleaned, and the entries marked, for less than by the foreign keys' walks. Those come in another order.
 */
export async function walkDeleted(
  tx: Transaction,
  location: TableLocation,
  account: KeyValue,
  range: { lower: KeyValue | null; upper: KeyValue },
): Promise<void> {
  const from = range.lower
    ? inIndex('t', location, account, '>', range.lower)
    : sql`${tuple('t', location.account)} >= ${values(location.account, account)}`;
  const statement = sql`SELECT count(*) FROM ${relation(location)} AS t
    WHERE ${from} AND ${inIndex('t', location, account, '<=', range.upper)}`;
  await about(location, () => tx.execute(statement));
}

/** Waits for the lock of the account's first row in a location, in line with the application. */
export async function lockFirst(tx: Transaction, location: TableLocation, account: KeyValue): Promise<void> {
  const statement = sql`SELECT 1 FROM ${relation(location)} AS t WHERE ${walks('t', location.account, account)}
    ${inOrder('t', location)} LIMIT 1 FOR UPDATE OF t`;
  await about(location, () => tx.execute(statement));
}

/**
 * Walks the references to a range of parents before any of them is locked. Where many children were deleted the walk
 * passes all their dead index entries and marks them. So the walks that follow under the lock, ours and the foreign
 * key's, are short.
 */
export async function walkReferences(
  tx: Transaction,
  catalog: Catalog,
  location: TableLocation,
  account: KeyValue,
  range: { lower: KeyValue | null; upper: KeyValue | null },
): Promise<void> {
  if (location.children.length === 0) return;
  const where = rowsBetween('t', location, account, range.lower, range.upper);
  const keys = await selectKeys(tx, location, where, { ...range, limit: undefined, skipLocked: false }, sql``);
  if (keys.length === 0) return;
  for (const reference of location.children) await anyChild(tx, belowOf(catalog, location, keys, reference));
}

const forUpdate = (pick: Pick): SQL => (pick.skipLocked ? sql`FOR UPDATE OF t SKIP LOCKED` : sql`FOR UPDATE OF t`);
const limited = (limit: number | undefined): SQL => (limit === undefined ? sql`` : sql`LIMIT ${limit}`);

async function selectKeys(
  tx: Transaction,
  location: TableLocation,
  where: SQL,
  pick: Pick,
  lock: SQL,
): Promise<string[][]> {
  return keysOf(
    tx,
    location,
    sql`SELECT ${asText('t', location.key)} AS key FROM ${relation(location)} AS t
         WHERE ${where} ${inOrder('t', location)} ${limited(pick.limit)} ${lock}`,
  );
}

async function eraseLeaf(
  tx: Transaction,
  catalog: Catalog,
  location: TableLocation,
  account: KeyValue,
  where: SQL,
  pick: Pick,
): Promise<Deleted> {
  let count: number;
  if (pick.limit === undefined && !pick.skipLocked) {
    count = await deleteFrom(tx, catalog, location, sql`${where} AND ${belongsTo('t', location.account, account)}`);
  } else {
    const picked = sql`
      SELECT ${columns('t', location.key)} FROM ${relation(location)} AS t WHERE ${where}
       ${inOrder('t', location)} ${limited(pick.limit)} ${forUpdate(pick)}`;
    count = await deletePicked(tx, catalog, location, account, picked);
  }
  return { rows: new Map([[location.name, count]]), more: pick.limit !== undefined && count >= pick.limit };
}

/** Deletes what `picked` has locked. The outer WHERE repeats the account: a row may have moved to another one before its lock. */
function deletePicked(
  tx: Transaction,
  catalog: Catalog,
  location: TableLocation,
  account: KeyValue,
  picked: SQL,
): Promise<number> {
  const told = toldOf(catalog, location.name);
  const statement = sql`WITH picked AS MATERIALIZED (${picked})
      DELETE FROM ${relation(location)} AS t USING picked AS p
       WHERE ${tuple('t', location.key)} = ${tuple('p', location.key)} AND ${belongsTo('t', location.account, account)}${returning(told)}`;
  return about(location, () => deleteRows(tx, told, statement));
}

function deleteFrom(tx: Transaction, catalog: Catalog, location: TableLocation, where: SQL): Promise<number> {
  const told = toldOf(catalog, location.name);
  const statement = sql`DELETE FROM ${relation(location)} AS t WHERE ${where}${returning(told)}`;
  return about(location, () => deleteRows(tx, told, statement));
}

/** Rows that this transaction has locked, by their keys. */
type Locked = { location: TableLocation; keys: string[][] };

/** Deletes locked parents, children first. Nothing can reference them meanwhile: that would need a lock that we hold. */
async function eraseParents(
  tx: Transaction,
  catalog: Catalog,
  account: KeyValue,
  { location, keys }: Locked,
  pick: Pick,
): Promise<Deleted> {
  const deleted: Deleted = {
    rows: new Map([[location.name, 0]]),
    more: pick.limit !== undefined && keys.length >= pick.limit,
  };
  if (keys.length === 0) return deleted;
  const occupied: SQL[] = [];
  for (const reference of location.children) {
    const below = belowOf(catalog, location, keys, reference);
    if (!(await anyChild(tx, below))) continue;
    await refuseForeignRows(tx, below, account);
    const gone = await eraseChildren(tx, catalog, account, below, pick);
    for (const [name, count] of gone.rows) deleted.rows.set(name, (deleted.rows.get(name) ?? 0) + count);
    // The parents stay until a later transaction: their children alone have filled this one.
    if (gone.more) return { ...deleted, more: true };
    // Children that the application has locked stay, and their parents with them, for a later pass.
    occupied.push(sql`NOT EXISTS (SELECT 1 FROM ${relation(below.child)} AS c
      WHERE ${joins('c', reference.columns, 't', reference.referenced)})`);
  }
  deleted.rows.set(location.name, await deleteKeys(tx, catalog, location, account, keys, occupied));
  return deleted;
}

/** Deletes those of the locked rows that nothing references (`free`). */
async function deleteKeys(
  tx: Transaction,
  catalog: Catalog,
  location: TableLocation,
  account: KeyValue,
  keys: string[][],
  free: readonly SQL[],
): Promise<number> {
  const among = (list: string[][]) => sql.join([inList('t', location.key, list), ...free], sql` AND `);
  const own = belongsTo('t', location.account, account);
  const count = await deleteFrom(tx, catalog, location, sql`${own} AND ${among(keys)}`);
  if (count === keys.length) return count;
  // Occupied, or free by now; no new child comes while the row is locked. What is free must go.
  const stillThere = (list: string[][]) =>
    keysOf(
      tx,
      location,
      sql`SELECT ${asText('t', location.key)} AS key FROM ${relation(location)} AS t WHERE ${among(list)}`,
    );
  const left = await stillThere(keys);
  if (left.length === 0) return count;
  const more = await deleteFrom(tx, catalog, location, sql`${own} AND ${among(left)}`);
  if (more < left.length) {
    const ignored = await stillThere(left);
    if (ignored.length > 0) await refuseIgnored(tx, location, 'DELETE', ignored.length);
  }
  return count + more;
}

/** Rows that appeared below a slice's parents and are deleted with them in one transaction. */
const CHILD_LIMIT = 10_000;

async function eraseChildren(
  tx: Transaction,
  catalog: Catalog,
  account: KeyValue,
  below: Below,
  pick: Pick,
): Promise<Deleted> {
  const { child } = below;
  const limit = pick.limit ?? CHILD_LIMIT;
  const bounded: Pick = { lower: null, upper: null, limit, skipLocked: pick.skipLocked };
  const and = belongsTo('t', child.account, account);
  const picked = (list: SQL) => sql`${belowEach(below, { list, and, limit, lock: forUpdate(pick) })} LIMIT ${limit}`;
  if (child.children.length === 0 && !isVetoed(catalog, child)) {
    const count = await deletePicked(tx, catalog, child, account, picked(columns('t', child.key)));
    return { rows: new Map([[child.name, count]]), more: count >= limit };
  }
  const keys = await keysOf(tx, child, picked(sql`${asText('t', child.key)} AS key`));
  return eraseParents(tx, catalog, account, { location: child, keys }, bounded);
}
