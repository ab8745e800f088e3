import { SQL, type SQLChunk, StringChunk, sql } from 'drizzle-orm';
import { quoted } from '../store/quoted.ts';
import type { KeyColumns, KeyValue } from './types.ts';

/** `alias."name"`. */
export const column = (alias: string, name: string): string => `${quoted(alias)}.${quoted(name)}`;
const list = (alias: string, key: KeyColumns): string => key.map((c) => column(alias, c.name)).join(', ');

// One text, and no nested chunk for each name: the API spends most of its time on putting chunks together.
const text = (words: string): StringChunk => new StringChunk(words);

/** `alias."a", alias."b"`, for a select list. */
export const columns = (alias: string, key: KeyColumns): SQL => new SQL([text(list(alias, key))]);

/** `(alias."a", alias."b")`: compares as a row, for one column as the column itself. */
export const tuple = (alias: string, key: KeyColumns): SQLChunk => text(`(${list(alias, key)})`);

const casts = (key: KeyColumns, value: KeyValue): SQLChunk[] =>
  key.flatMap((c, i) => [text(i === 0 ? '' : ', '), value[i] as unknown as SQLChunk, text(`::text::${c.type}`)]);
const cast = (key: KeyColumns, value: KeyValue): SQLChunk[] => [text('('), ...casts(key, value), text(')')];

/** `($1::text::bigint, …)`: the text goes to the server as it is and is cast there. */
export const values = (key: KeyColumns, value: KeyValue): SQL => new SQL(cast(key, value));

/** `ARRAY[alias."a"::text, …]`: a key tuple as the database prints it. */
export const asText = (alias: string, key: KeyColumns): SQL =>
  new SQL([text(`ARRAY[${key.map((c) => `${column(alias, c.name)}::text`).join(', ')}]`)]);

/** The rows that belong to the account. Each statement that changes rows repeats it in its own, outermost WHERE. */
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

const part = (i: number): string => `k${i}`;

/** `alias."a" AS k0, …`: under these names a query around this one finds the key, whatever its columns are called. */
export const asParts = (alias: string, key: KeyColumns): SQL =>
  new SQL([text(key.map((c, i) => `${column(alias, c.name)} AS ${part(i)}`).join(', '))]);

/** `k0, …`: what `asParts` has named. */
export const parts = (key: KeyColumns): SQL => new SQL([text(key.map((_, i) => part(i)).join(', '))]);

/** `ARRAY[k0::text, …]`: the same key as the database prints it. */
export const partsAsText = (key: KeyColumns): SQL =>
  new SQL([text(`ARRAY[${key.map((_, i) => `${part(i)}::text`).join(', ')}]`)]);

/** `(alias."account", alias."key") > ($1::text::bigint, of.k0)`: what comes after a key that `asParts` has named. */
export const afterParts = (
  alias: string,
  location: { account: KeyColumns; key: KeyColumns },
  account: KeyValue,
  of: string,
): SQL =>
  new SQL([
    text(`(${list(alias, [...location.account, ...location.key])}) > (`),
    ...casts(location.account, account),
    text(`, ${location.key.map((_, i) => `${of}.${part(i)}`).join(', ')})`),
  ]);

/** Key tuples of a list, passed as one text array per column so that the statement does not grow with it. */
export function inList(alias: string, key: KeyColumns, keys: readonly KeyValue[]): SQL {
  const arrays = key.map((_, i) => sql`${sql.param(keys.map((k) => k[i]))}::text[]`);
  const each = sql.raw(key.map((c, i) => `u.${part(i)}::${c.type}`).join(', '));
  return sql`${tuple(alias, key)} IN (SELECT ${each} FROM unnest(${sql.join(arrays, sql`, `)}) AS u(${parts(key)}))`;
}
