import { type SQL, sql } from 'drizzle-orm';
import type { KeyColumns, KeyValue, TableName } from '../catalog/types.ts';
import type { Executor } from '../db/client.ts';

/** `"schema"."table"`. */
export const relation = (t: TableName): SQL => sql`${sql.identifier(t.schema)}.${sql.identifier(t.table)}`;

const column = (alias: string, name: string): SQL => sql`${sql.identifier(alias)}.${sql.identifier(name)}`;
const comma = (parts: SQL[]): SQL => sql.join(parts, sql`, `);

/** `alias."a", alias."b"`, for a select list. */
export const columns = (alias: string, key: KeyColumns): SQL => comma(key.map((c) => column(alias, c.name)));

/** `(alias."a", alias."b")`: compares as a row, for one column as the column itself. */
export const tuple = (alias: string, key: KeyColumns): SQL => sql`(${columns(alias, key)})`;

/** `($1::text::bigint, …)`: the text goes to the server as it is and is cast there. */
export const values = (key: KeyColumns, value: KeyValue): SQL =>
  sql`(${comma(key.map((c, i) => sql`${value[i]}::text::${sql.raw(c.type)}`))})`;

/** `ARRAY[alias."a"::text, …]`: a key tuple as the database prints it. */
export const asText = (alias: string, key: KeyColumns): SQL =>
  sql`ARRAY[${comma(key.map((c) => sql`${column(alias, c.name)}::text`))}]`;

/** The rows that belong to the account. Every statement that changes rows repeats it in its own, outermost WHERE. */
export const belongsTo = (alias: string, account: KeyColumns, key: KeyValue): SQL =>
  sql`${tuple(alias, account)} = ${values(account, key)}`;

/** `(alias."account", alias."key") op (values)`: compares in the order of the index (account, key), and no other index serves it. */
export const inIndex = (
  alias: string,
  location: { account: KeyColumns; key: KeyColumns },
  account: KeyValue,
  op: '>' | '<=',
  key: KeyValue,
): SQL => {
  const both: KeyColumns = [...location.account, ...location.key];
  return sql`${tuple(alias, both)} ${sql.raw(op)} ${values(both, [...account, ...key])}`;
};

/**
 * The same rows, written so that the planner walks the index (account, key) whatever its statistics
 * say; use it with `inOrder`. After a large deletion they still promise rows all over the table: with
 * an equality, `LIMIT 1` then reads the whole table to find none.
 */
export const walks = (alias: string, account: KeyColumns, key: KeyValue): SQL =>
  sql`${tuple(alias, account)} >= ${values(account, key)} AND ${tuple(alias, account)} <= ${values(account, key)}`;

/** `ORDER BY` account and key: the order of the index that `walks` is meant for. */
export const inOrder = (alias: string, location: { account: KeyColumns; key: KeyColumns }): SQL =>
  sql`ORDER BY ${columns(alias, location.account)}, ${columns(alias, location.key)}`;

/** The account's rows with keys above `lower` (null: from the start) and up to `upper` (null: all of them). */
export function rowsBetween(
  alias: string,
  location: { account: KeyColumns; key: KeyColumns },
  account: KeyValue,
  lower: KeyValue | null,
  upper: KeyValue | null,
): SQL {
  if (upper === null) return walks(alias, location.account, account);
  const above = lower ? sql`${tuple(alias, location.key)} > ${values(location.key, lower)} AND ` : sql``;
  return sql`${belongsTo(alias, location.account, account)} AND ${above}${tuple(alias, location.key)} <= ${values(location.key, upper)}`;
}

/** Key tuples of a list, passed as one text array per column so that the statement does not grow with it. */
export function inList(alias: string, key: KeyColumns, list: readonly KeyValue[]): SQL {
  const arrays = key.map((_, i) => sql`${sql.param(list.map((k) => k[i]))}::text[]`);
  const names = key.map((_, i) => sql.identifier(`k${i}`));
  const cast = key.map((c, i) => sql`u.${sql.identifier(`k${i}`)}::${sql.raw(c.type)}`);
  return sql`${tuple(alias, key)} IN (SELECT ${comma(cast)} FROM unnest(${comma(arrays)}) AS u(${sql.join(names, sql`, `)}))`;
}

/** `child.fk = parent.ref AND …` for a foreign key. */
export const joins = (child: string, columns: readonly string[], parent: string, referenced: readonly string[]): SQL =>
  sql.join(
    columns.map((c, i) => sql`${column(child, c)} = ${column(parent, referenced[i] as string)}`),
    sql` AND `,
  );

/** Runs a statement that changes rows and returns how many. */
export async function affected(db: Executor, statement: SQL): Promise<number> {
  return (await db.execute(statement)).count;
}
