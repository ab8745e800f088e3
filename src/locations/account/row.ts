import { type SQL, sql } from 'drizzle-orm';
import { refuseIgnored } from '../../catalog/live/refuse-ignored.ts';
import { about, relation } from '../../catalog/live/statement.ts';
import type { AccountTable, Catalog } from '../../catalog/live/types.ts';
import { asText, belongsTo } from '../../keys/sql.ts';
import type { KeyValue } from '../../keys/types.ts';
import type { Executor, Transaction } from '../../store/client.ts';
import { keptText } from '../../store/kept-text.ts';
import { deleteRows, returning, textFor, toldOf } from '../delete-rows.ts';

export type AccountRow = {
  key: string[];
  email: string | null;
  /** When it was created, as `createdOf` has it; null where the catalog or the row does not say. */
  created: string | null;
  onHold: boolean;
};

/** When the account was created, in seconds: a number is the same whatever the session's time zone and style of dates. */
export const createdOf = ({ created }: AccountTable, alias: string): SQL =>
  created ? sql`extract(epoch FROM ${sql.raw(alias)}.${sql.identifier(created)})` : sql`NULL::numeric`;

const heldBy = (table: AccountTable): SQL => {
  if (!table.hold) return sql`false`;
  const column = sql`t.${sql.identifier(table.hold.name)}`;
  return table.hold.boolean ? sql`coalesce(${column}, false)` : sql`${column} IS NOT NULL`;
};

/** The account's row: its key as the database prints it, its address, its creation, and whether the application holds it. Null when there is none. */
export async function findAccount(
  db: Executor,
  table: AccountTable,
  key: KeyValue,
  lock: 'FOR NO KEY UPDATE' | 'FOR UPDATE' | '' = '',
): Promise<AccountRow | null> {
  const statement = keptText(table, `find ${lock}`, { key }, (slots) => {
    const email = table.email ? sql`t.${sql.identifier(table.email)}::text` : sql`NULL`;
    return sql`
      SELECT ${asText('t', table.key)} AS key, ${email} AS email, ${createdOf(table, 't')}::text AS created, ${heldBy(table)} AS "onHold"
        FROM ${relation(table)} AS t WHERE ${belongsTo('t', table.key, slots.key)} ${sql.raw(lock)}`;
  });
  const [row] = await about(table, () => db.execute<AccountRow>(statement));
  return row ?? null;
}

/** True when the application's own column says that the account must be kept. */
export async function isOnHold(db: Executor, table: AccountTable, key: KeyValue): Promise<boolean> {
  return (await findAccount(db, table, key))?.onHold ?? false;
}

/** Sets or clears the column that tells the application to refuse a sign-in. Throws `change_ignored` when it does not take. */
export async function flagAccount(db: Executor, table: AccountTable, key: KeyValue, on: boolean): Promise<void> {
  if (!table.flag) return;
  const flag = sql.identifier(table.flag);
  const [row] = await about(table, () =>
    db.execute<{ flagged: boolean }>(sql`
      UPDATE ${relation(table)} AS t SET ${flag} = ${on ? sql`now()` : sql`NULL`}
       WHERE ${belongsTo('t', table.key, key)} RETURNING t.${flag} IS NOT NULL AS flagged`),
  );
  if (row?.flagged === on) return;
  // Not when an undo finds no account any more.
  if (await findAccount(db, table, key)) await refuseIgnored(db, table, 'UPDATE', 1);
}

/** Deletes the account's own row and returns 1, or 0 when it was gone already. */
export async function deleteAccountRow(
  tx: Transaction,
  catalog: Pick<Catalog, 'account' | 'gathered'>,
  key: KeyValue,
): Promise<number> {
  const { account: table } = catalog;
  const told = toldOf(catalog, table.table);
  const statement = keptText(
    table,
    textFor('delete', told),
    { key },
    (slots) => sql`DELETE FROM ${relation(table)} AS t WHERE ${belongsTo('t', table.key, slots.key)}${returning(told)}`,
  );
  return about(table, () => deleteRows(tx, told, statement));
}
