import { sql } from 'drizzle-orm';
import { locationOf } from '../../../catalog/live/location-of.ts';
import { about, joins, relation } from '../../../catalog/live/statement.ts';
import type { Catalog, TableLocation } from '../../../catalog/live/types.ts';
import { belongsTo, walks } from '../../../keys/sql.ts';
import type { KeyValue } from '../../../keys/types.ts';
import type { Transaction } from '../../../store/client.ts';
import { keptText } from '../../../store/kept-text.ts';
import { pipeline } from '../../../store/transaction.ts';
import { deleteAccountRow } from '../../account/row.ts';
import { deleteRows, returning, textFor, toldOf } from '../../delete-rows.ts';
import { isVetoed } from './hooks.ts';
import { findRemaining } from './probe.ts';

/**
 * False where one statement is not enough. Rows may reference rows of their own table, or something may turn a deletion
 * into nothing. Then what was locked has to be compared with what went.
 */
export const canEraseEverything = (catalog: Catalog): boolean =>
  catalog.tables.every((l) => l.children.every((child) => child.location !== l.name) && !isVetoed(catalog, l));

/**
 * Deletes the account's rows with one statement for each location, and its own row, all in one round trip. The caller
 * has locked the account and has counted: there are few. Waits for locked rows as long as the lock limit allows. What
 * is named in `remaining` was in the way, and the account must not be gone without it: roll back. `last` is sent behind
 * all of it.
 */
export async function eraseEverything<T>(
  tx: Transaction,
  catalog: Catalog,
  account: KeyValue,
  last: () => Promise<T>,
): Promise<{ gone: Map<string, number>; remaining: string[]; last: T }> {
  const gone = new Map<string, number>();
  const erase = (location: TableLocation) => async () => {
    gone.set(location.name, await eraseUnreferenced(tx, catalog, location, account));
  };
  const leaves = catalog.tables.filter((l) => l.children.length === 0);
  const parents = catalog.tables.filter((l) => l.children.length > 0);
  let remaining: string[] = [];
  let settled: T | undefined;
  await pipeline([
    ...leaves.map(erase),
    ...parents.flatMap((location) => [() => lockAll(tx, location, account), erase(location)]),
    async () => {
      remaining = await findRemaining(tx, catalog.tables, account);
    },
    async () => {
      gone.set(catalog.account.table, await deleteAccountRow(tx, catalog, account));
    },
    async () => {
      settled = await last();
    },
  ]);
  return { gone, remaining, last: settled as T };
}

/** No row that references one of these can come in from here on; the next statement sees all that did before. */
async function lockAll(tx: Transaction, location: TableLocation, account: KeyValue): Promise<void> {
  const statement = keptText(
    location,
    'lock all',
    { account },
    (slots) => sql`SELECT count(*) FROM (SELECT 1 FROM ${relation(location)} AS t
      WHERE ${walks('t', location.account, slots.account)} FOR UPDATE OF t) AS held`,
  );
  await about(location, () => tx.execute(statement));
}

/** A row that another one references stays: a cascading foreign key would delete that one uncounted. */
function eraseUnreferenced(
  tx: Transaction,
  catalog: Catalog,
  location: TableLocation,
  account: KeyValue,
): Promise<number> {
  const told = toldOf(catalog, location.name);
  const statement = keptText(location, textFor('delete unreferenced', told), { account }, (slots) => {
    const free = location.children.map((reference) => {
      const child = locationOf(catalog.tables, reference.location);
      // Not EXISTS: the planner would make a join of it and may read the whole table.
      return sql` AND (SELECT 1 FROM ${relation(child)} AS c
        WHERE ${joins('c', reference.columns, 't', reference.referenced)} LIMIT 1) IS NULL`;
    });
    return sql`DELETE FROM ${relation(location)} AS t WHERE ${walks('t', location.account, slots.account)}
      AND ${belongsTo('t', location.account, slots.account)}${sql.join(free)}${returning(told)}`;
  });
  return about(location, () => deleteRows(tx, told, statement));
}
