import type { Relation } from '../live/relation.ts';
import type { Like } from './account-like.ts';
import { isBy } from './words.ts';

/** The advice that ends most findings. */
export const OR_IGNORE = 'or list it under ignore with a reason';
/** What cannot be declared yet. */
export const throughParent = (parent: string) =>
  `it is reached only through its parent ${parent}, which is not possible in this version`;

/** A text as YAML needs it between other things in braces. */
const yaml = (text: string): string =>
  /^[A-Za-z_][\w.]*$/.test(text) && !/^(true|false|yes|no|on|off|null|y|n)$/i.test(text)
    ? text
    : `'${text.replaceAll("'", "''")}'`;

/** A table, or one of its columns in an entry of the catalog: schema public goes without saying. */
const short = (name: string) => yaml(name.replace(/^public\./, ''));

/** The entry that decides a column. */
export const ignoreColumn = (column: string) => `ignore: [{ column: ${short(column)}, reason: … }]`;

/**
 * The entry for a table whose rows one of `columns` gives to an account, or undefined where none can. A column that
 * says who did something, or one of several, is not proposed: whose row it is has to be decided.
 */
export function entryFor(table: string, columns: readonly Like[]): string | undefined {
  const keys = columns.filter((c) => c.what === 'key' && (c.form === 'plain' || c.form === 'foreign key'));
  const owning = keys.filter((c) => !isBy(c.name));
  const [only, ...more] = owning.length > 0 ? owning : keys;
  if (!only) return undefined;
  if (more.length === 0 && owning.length > 0)
    return `add { table: ${short(table)}, account: ${yaml(only.name)}, owner: … } under locations`;
  const names = keys.map((c) => c.name).join(', ');
  return `if the account of ${keys.length === 1 ? names : `one of ${names}`} owns the row, add { table: ${short(table)}, account: …, owner: … } under locations`;
}

/** What to do about a relation that only the name of a column speaks for. */
export function helpFor(kind: Relation['kind'], table: string, like: Like, columns: readonly Like[]): string {
  if (kind === 'm')
    return 'a materialized view keeps copies until it is refreshed: list it under ignore with a reason, for example when it is refreshed';
  if (kind === 'f') return 'a foreign table is erased where its rows are: list it under ignore with a reason';
  if (like.what === 'email')
    return `if it holds accounts' addresses: finding rows by their address is not possible in this version; give it a column with the account's key, ${OR_IGNORE}`;
  if (like.form === 'many')
    return 'rows that belong to several accounts are not possible in this version: list it under ignore with a reason';
  if (like.form === 'text')
    return 'keys in another type than the account has are not possible in this version: change the type, or list it under ignore with a reason';
  if (like.form === 'kind')
    return `${like.beside} beside it says which table it belongs to, and such rows are not possible in this version: list it under ignore with a reason`;
  return `${entryFor(table, columns)}, ${OR_IGNORE}`;
}
