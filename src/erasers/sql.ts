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

/** The rows that belong to the account. Every statement on a location repeats it in its own, outermost WHERE. */
export const belongsTo = (alias: string, account: KeyColumns, key: KeyValue): SQL =>
  sql`${tuple(alias, account)} = ${values(account, key)}`;

/** Key tuples above `lower` (null: no bound) and up to `upper` (null: no bound). */
export function inRange(alias: string, key: KeyColumns, lower: KeyValue | null, upper: KeyValue | null): SQL {
  const above = lower ? sql`${tuple(alias, key)} > ${values(key, lower)}` : sql`true`;
  const upTo = upper ? sql`${tuple(alias, key)} <= ${values(key, upper)}` : sql`true`;
  return sql`${above} AND ${upTo}`;
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
  return ((await db.execute(statement)) as unknown as { count: number }).count;
}
