import { SQL, type SQLChunk, StringChunk, sql } from 'drizzle-orm';
import { qualified } from '../../catalog/live/names.ts';
import type { KeyColumns, KeyValue, TableName } from '../../catalog/live/types.ts';
import { LetheError } from '../../errors.ts';
import type { Executor } from '../../store/client.ts';
import { AboutTable } from '../../store/sql-errors.ts';

/** An identifier, whatever its characters. */
export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
const column = (alias: string, name: string): string => `${quoted(alias)}.${quoted(name)}`;
const list = (alias: string, key: KeyColumns): string => key.map((c) => column(alias, c.name)).join(', ');

// Texts, and not a nested part for each name: putting the parts together is what the API spends most of its time on.
const text = (words: string): StringChunk => new StringChunk(words);

/** `"schema"."table"`. */
export const relation = (t: TableName): SQLChunk => text(`${quoted(t.schema)}.${quoted(t.table)}`);

/** `alias."a", alias."b"`, for a select list. */
export const columns = (alias: string, key: KeyColumns): SQL => new SQL([text(list(alias, key))]);

/** `(alias."a", alias."b")`: compares as a row, for one column as the column itself. */
export const tuple = (alias: string, key: KeyColumns): SQLChunk => text(`(${list(alias, key)})`);

const cast = (key: KeyColumns, value: KeyValue): SQLChunk[] => [
  ...key.flatMap((c, i) => [text(i === 0 ? '(' : ', '), value[i] as unknown as SQLChunk, text(`::text::${c.type}`)]),
  text(')'),
];

/** `($1::text::bigint, …)`: the text goes to the server as it is and is cast there. */
export const values = (key: KeyColumns, value: KeyValue): SQL => new SQL(cast(key, value));

/** `ARRAY[alias."a"::text, …]`: a key tuple as the database prints it. */
export const asText = (alias: string, key: KeyColumns): SQL =>
  new SQL([text(`ARRAY[${key.map((c) => `${column(alias, c.name)}::text`).join(', ')}]`)]);

/** The rows that belong to the account. Every statement that changes rows repeats it in its own, outermost WHERE. */
export const belongsTo = (alias: string, account: KeyColumns, key: KeyValue): SQL =>
  new SQL([text(`(${list(alias, account)}) = `), ...cast(account, key)]);

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
  new SQL([
    text(`(${list(alias, account)}) >= `),
    ...cast(account, key),
    text(` AND (${list(alias, account)}) <= `),
    ...cast(account, key),
  ]);

/** `ORDER BY` account and key: the order of the index that `walks` is meant for. */
export const inOrder = (alias: string, location: { account: KeyColumns; key: KeyColumns }): SQL =>
  new SQL([text(`ORDER BY ${list(alias, [...location.account, ...location.key])}`)]);

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
export function inList(alias: string, key: KeyColumns, keys: readonly KeyValue[]): SQL {
  const arrays = key.map((_, i) => sql`${sql.param(keys.map((k) => k[i]))}::text[]`);
  const names = sql.raw(key.map((_, i) => `k${i}`).join(', '));
  const each = sql.raw(key.map((c, i) => `u.k${i}::${c.type}`).join(', '));
  return sql`${tuple(alias, key)} IN (SELECT ${each} FROM unnest(${sql.join(arrays, sql`, `)}) AS u(${names}))`;
}

/** `child.fk = parent.ref AND …` for a foreign key. */
export const joins = (child: string, columns: readonly string[], parent: string, referenced: readonly string[]): SQL =>
  new SQL([
    text(columns.map((c, i) => `${column(child, c)} = ${column(parent, referenced[i] as string)}`).join(' AND ')),
  ]);

/** Runs a statement that changes rows and returns how many. */
export async function affected(db: Executor, statement: SQL): Promise<number> {
  return (await db.execute(statement)).count;
}

type Named = TableName & { readonly name?: string };

/** Runs a statement about one or more of the application's tables; its failure names them. */
export async function about<T>(tables: Named | readonly Named[], work: () => PromiseLike<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof LetheError || error instanceof AboutTable) throw error;
    const all = [tables].flat();
    const names = all.map(qualified).join(', ');
    throw all.length > 1
      ? new AboutTable(`one of ${names}`, undefined, error)
      : new AboutTable(names, all[0]?.name, error);
  }
}
