import { type SQL, sql } from 'drizzle-orm';
import type { Catalog, KeyValue, Location, Reference } from '../catalog/types.ts';
import { qualified } from '../catalog/types.ts';
import type { Transaction } from '../db/client.ts';
import { LetheError } from '../errors.ts';
import { affected, asText, belongsTo, columns, inList, inRange, joins, relation, tuple } from './sql.ts';

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
 * Deletes the picked rows of one location and, before them, the account's rows that reference them:
 * those may have appeared after their own stage was done, and a cascading foreign key would delete
 * them uncounted. Throws `foreign_reference` when rows of another account reference a picked row.
 */
export async function eraseRows(
  tx: Transaction,
  catalog: Catalog,
  location: Location,
  account: KeyValue,
  pick: Pick,
): Promise<Deleted> {
  const where = sql`${belongsTo('t', location.account, account)} AND ${inRange('t', location.key, pick.lower, pick.upper)}`;
  if (location.children.length === 0) return eraseLeaf(tx, location, account, where, pick);
  const keys = await lockKeys(tx, location, where, pick);
  return eraseParents(tx, catalog, location, account, keys, pick);
}

/** The key of the n-th row after `lower`, up to `upper`, or null when fewer are left. */
export async function findBound(
  tx: Transaction,
  location: Location,
  account: KeyValue,
  lower: KeyValue | null,
  upper: KeyValue,
  n: number,
): Promise<string[] | null> {
  const [row] = await tx.execute<{ key: string[] }>(sql`
    SELECT ${asText('t', location.key)} AS key FROM ${relation(location)} AS t
     WHERE ${belongsTo('t', location.account, account)} AND ${inRange('t', location.key, lower, upper)}
     ORDER BY ${tuple('t', location.key)} OFFSET ${n - 1} LIMIT 1`);
  return row?.key ?? null;
}

/** Waits for the lock of the account's first row in a location, in line with the application. */
export async function lockFirst(tx: Transaction, location: Location, account: KeyValue): Promise<void> {
  await tx.execute(sql`SELECT 1 FROM ${relation(location)} AS t WHERE ${belongsTo('t', location.account, account)}
    ORDER BY ${tuple('t', location.key)} LIMIT 1 FOR UPDATE OF t`);
}

const forUpdate = (pick: Pick): SQL => (pick.skipLocked ? sql`FOR UPDATE OF t SKIP LOCKED` : sql`FOR UPDATE OF t`);
const limited = (limit: number | undefined): SQL => (limit === undefined ? sql`` : sql`LIMIT ${limit}`);

async function lockKeys(tx: Transaction, location: Location, where: SQL, pick: Pick): Promise<string[][]> {
  const rows = await tx.execute<{ key: string[] }>(sql`
    SELECT ${asText('t', location.key)} AS key FROM ${relation(location)} AS t
     WHERE ${where} ORDER BY ${tuple('t', location.key)} ${limited(pick.limit)} ${forUpdate(pick)}`);
  return rows.map((row) => row.key);
}

async function eraseLeaf(
  tx: Transaction,
  location: Location,
  account: KeyValue,
  where: SQL,
  pick: Pick,
): Promise<Deleted> {
  let count: number;
  if (pick.limit === undefined && !pick.skipLocked) {
    count = await affected(tx, sql`DELETE FROM ${relation(location)} AS t WHERE ${where}`);
  } else {
    // The outer WHERE repeats the account: between the inner SELECT and its lock a row may have moved to another one.
    count = await affected(
      tx,
      sql`
      WITH picked AS MATERIALIZED (
        SELECT ${columns('t', location.key)} FROM ${relation(location)} AS t WHERE ${where}
         ORDER BY ${tuple('t', location.key)} ${limited(pick.limit)} ${forUpdate(pick)})
      DELETE FROM ${relation(location)} AS t USING picked AS p
       WHERE ${tuple('t', location.key)} = ${tuple('p', location.key)} AND ${belongsTo('t', location.account, account)}`,
    );
  }
  return { rows: new Map([[location.name, count]]), more: pick.limit !== undefined && count >= pick.limit };
}

/** Deletes locked parents, children first. Nothing can reference them meanwhile: that would need a lock that we hold. */
async function eraseParents(
  tx: Transaction,
  catalog: Catalog,
  location: Location,
  account: KeyValue,
  keys: string[][],
  pick: Pick,
): Promise<Deleted> {
  const deleted: Deleted = {
    rows: new Map([[location.name, 0]]),
    more: pick.limit !== undefined && keys.length >= pick.limit,
  };
  if (keys.length === 0) return deleted;
  const occupied: SQL[] = [];
  for (const reference of location.children) {
    const child = catalog.locations.find((l) => l.name === reference.location) as Location;
    const referencing = sql`EXISTS (SELECT 1 FROM ${relation(location)} AS p
      WHERE ${inList('p', location.key, keys)} AND ${joins('t', reference.columns, 'p', reference.referenced)})`;
    const below = await eraseChildren(tx, catalog, child, account, referencing, pick);
    for (const [name, count] of below.rows) deleted.rows.set(name, (deleted.rows.get(name) ?? 0) + count);
    // The parents stay until a later transaction: their children alone have filled this one.
    if (below.more) return { ...deleted, more: true };
    if (await childrenRemain(tx, location, child, reference, account, referencing)) {
      occupied.push(
        sql`NOT EXISTS (SELECT 1 FROM ${relation(child)} AS c WHERE ${joins('c', reference.columns, 't', reference.referenced)})`,
      );
    }
  }
  const count = await affected(
    tx,
    sql`
    DELETE FROM ${relation(location)} AS t
     WHERE ${sql.join([belongsTo('t', location.account, account), inList('t', location.key, keys), ...occupied], sql` AND `)}`,
  );
  deleted.rows.set(location.name, count);
  return deleted;
}

async function eraseChildren(
  tx: Transaction,
  catalog: Catalog,
  child: Location,
  account: KeyValue,
  referencing: SQL,
  pick: Pick,
): Promise<Deleted> {
  const bounded: Pick = { ...pick, lower: null, upper: null, limit: pick.limit ?? CHILD_LIMIT };
  const where = sql`${belongsTo('t', child.account, account)} AND ${referencing}`;
  if (child.children.length === 0) return eraseLeaf(tx, child, account, where, bounded);
  const keys = await lockKeys(tx, child, where, bounded);
  return eraseParents(tx, catalog, child, account, keys, bounded);
}

/** Rows that appeared below a slice's parents and are deleted with them in one transaction. */
const CHILD_LIMIT = 10_000;

/**
 * True when the application holds locks on children of this account, whose parents must then wait for
 * a later pass. Throws when a child is not this account's: deleting its parent would take it along.
 */
async function childrenRemain(
  tx: Transaction,
  parent: Location,
  child: Location,
  reference: Reference,
  account: KeyValue,
  referencing: SQL,
): Promise<boolean> {
  const rows = await tx.execute<{ key: string[]; own: boolean }>(sql`
    SELECT ${asText('t', child.key)} AS key, ${belongsTo('t', child.account, account)} IS TRUE AS own
      FROM ${relation(child)} AS t WHERE ${referencing} ORDER BY own LIMIT 5`);
  const foreign = rows.filter((row) => !row.own);
  if (foreign.length === 0) return rows.length > 0;
  const referencingColumns = reference.columns.join(', ');
  throw new LetheError(
    'foreign_reference',
    `${qualified(child)} (${referencingColumns}): rows that are not this account's reference its rows in ${qualified(parent)} (${reference.constraint})`,
    { location: child.name, keys: foreign.map((row) => row.key) },
  );
}
