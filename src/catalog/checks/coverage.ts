import { type Declaration, tablesOf } from '../live/declared.ts';
import type { ForeignKey } from '../live/inspect.ts';
import { fullName, identifier } from '../live/names.ts';
import type { Relation } from '../live/relation.ts';
import { accountLike, type Like } from './account-like.ts';
import { entryFor, helpFor, ignoreColumn, OR_IGNORE, throughParent } from './advice.ts';
import { changesRows, reference } from './check-references.ts';
import { columnName, type Ignored, ignoredOf } from './ignored.ts';
import { followKeys } from './key-columns.ts';
import { kindColumnOf } from './polymorphic.ts';
import { type Below, walkNames, walkReferences } from './reach.ts';

/**
 * Why a table may hold an account's data that is not covered. `reference`: a foreign key. `key`, `email`, `parent`: a
 * column like the account's key or address, or like the key of a listed table. `second`: a further such column of a
 * listed table. `trigger`: something that a deletion sets off writes there.
 */
export type Finding = {
  table: string;
  kind: 'reference' | 'key' | 'email' | 'parent' | 'second' | 'trigger';
  text: string;
};

export type Coverage = { uncovered: Finding[]; errors: string[]; warnings: string[] };

/**
 * Finds the tables that may have an account's data and that the catalog neither lists nor ignores. Also finds further
 * columns of listed tables that may have an account's key. One finding per table that is not listed, the surest.
 */
export function findUncovered(
  declared: Declaration,
  relations: readonly Relation[],
  foreignKeys: readonly ForeignKey[],
): Coverage {
  const account = fullName(declared.account.table);
  const holders = new Map([
    [account, declared.account.key],
    ...tablesOf(declared).map((l) => [fullName(l.table), l.account] as const),
  ]);
  const listed = new Set(holders.keys());
  const ignored = ignoredOf(declared);
  const isCovered = (r: Relation) => [r.table, ...r.parents].some((t) => listed.has(t) || ignored.tables.has(t));
  const believed = tablesOf(declared).map((l) => ({ table: fullName(l.table), column: l.account }));
  const owners = followKeys({ table: account, key: declared.account.key }, believed, foreignKeys);
  const look = accountLike(declared, relations, owners, ignored);
  const undecided = foreignKeys.filter((fk) => !fk.columns.some((c) => ignored.columns.has(columnName(fk.child, c))));
  const reaches = walkReferences(listed, undecided);
  const unlisted = [...reaches.keys()].filter((table) => !ignored.tables.has(table));
  const locations = [...listed].filter((table) => table !== account);
  const below = walkNames(new Set([...locations, ...unlisted]), relations, owners, ignored);

  const uncovered: Finding[] = [];
  const warnings = unknown(ignored, relations);
  for (const relation of relations) {
    const holder = holders.get(relation.table);
    const like = look(relation);
    if (holder !== undefined) {
      const direct = (c: Like) =>
        foreignKeys.find((fk) => fk.child === relation.table && fk.parent === account && fk.columns.includes(c.name));
      const second = like.filter((c) => c.what === 'key' && c.name !== holder).map((c) => [c, direct(c)] as const);
      // What the check at start refuses is said there.
      const open = second.filter(([, fk]) => !fk || (relation.table !== account && !changesRows(fk)));
      uncovered.push(...open.map(([c, fk]) => aboutSecond(relation.table, holder, c, fk)));
      continue;
    }
    if (isCovered(relation)) continue;
    const finding = about(relation, like, reaches.get(relation.table), listed, below.get(relation.table));
    if (finding) uncovered.push(finding);
    else warnings.push(...aboutKinds(relation, owners.references, ignored));
  }
  return {
    uncovered: uncovered.sort((a, b) => (a.table < b.table ? -1 : Number(a.table > b.table))),
    errors: unreferenced(declared, account, foreignKeys),
    warnings,
  };
}

function about(
  relation: Relation,
  like: readonly Like[],
  fk: ForeignKey | undefined,
  listed: ReadonlySet<string>,
  below: Below | undefined,
): Finding | undefined {
  const { table, kind } = relation;
  if (fk) {
    const add = entryFor(table, like) ?? throughParent(fk.parent);
    // An erasure would delete or change its rows as a side effect: a reason does not make that right.
    const help = changesRows(fk) && listed.has(fk.parent) ? add : `${add}, ${OR_IGNORE}`;
    return { table, kind: 'reference', text: `${reference(fk)}: ${help}` };
  }
  const [key] = like.filter((c) => c.what === 'key');
  const column = key ?? (below ? undefined : like[0]);
  if (column) {
    const what = `${table} has a column ${identifier(column.name)} (${column.type}) like the account's ${column.what === 'key' ? 'key' : 'address'}`;
    return { table, kind: column.what, text: `${what}: ${helpFor(kind, table, column, like)}` };
  }
  if (!below) return undefined;
  const what = `${table} has a column ${identifier(below.column)} (${below.type}) like the key of ${below.parent}`;
  return { table, kind: 'parent', text: `${what}: ${throughParent(below.parent)}, ${OR_IGNORE}` };
}

function aboutSecond(table: string, holder: string, { name, type }: Like, fk: ForeignKey | undefined): Finding {
  const column = columnName(table, name);
  const what = fk
    ? `${reference(fk)} beside ${identifier(holder)}: rows of others that name the account there stop its erasure`
    : `${column} (${type}) is like the account's key beside ${identifier(holder)}: rows of others that name the account there stay as they are`;
  return { table, kind: 'second', text: `${what}. Where that is right, say so: ${ignoreColumn(column)}` };
}

/** A column that may point at anything may point at accounts. */
function aboutKinds(
  relation: Relation,
  references: (table: string, column: string) => boolean,
  ignored: Ignored,
): string[] {
  const names = relation.columns.map((c) => c.name);
  return relation.columns.flatMap(({ name }) => {
    const kind = /_?id$/i.test(name) && !references(relation.table, name) ? kindColumnOf(name, names) : undefined;
    if (kind === undefined || [name, kind].some((c) => ignored.columns.has(columnName(relation.table, c)))) return [];
    const column = columnName(relation.table, name);
    return `${column} points at the table that ${identifier(kind)} says: if that may be an account or one of its rows, the table holds an account's data; if not, ${ignoreColumn(column)}`;
  });
}

/** Without foreign keys only names are left to go by, and names prove nothing. */
function unreferenced(declared: Declaration, account: string, foreignKeys: readonly ForeignKey[]): string[] {
  const known = foreignKeys.some((fk) => fk.parent === account && fk.child !== account);
  if (known || declared.account.unreferenced !== undefined) return [];
  return [
    `whether the catalog covers the database cannot be judged: no foreign key points at ${account}, so only the names of columns say which tables hold an account's data. Look through all tables, then write account: { unreferenced: acknowledged }`,
  ];
}

function unknown(ignored: Ignored, relations: readonly Relation[]): string[] {
  const columns = new Set(relations.flatMap((r) => r.columns.map((c) => columnName(r.table, c.name))));
  const tables = new Set(relations.map((r) => r.table));
  return [
    ...[...ignored.tables].filter((t) => !tables.has(t)).map((t) => `ignore: ${t}: there is no such table`),
    ...[...ignored.columns].filter((c) => !columns.has(c)).map((c) => `ignore: ${c}: there is no such column`),
  ];
}
