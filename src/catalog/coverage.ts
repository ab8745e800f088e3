import { changesRows } from './check-references.ts';
import type { ForeignKey } from './inspect.ts';
import type { Declaration } from './load.ts';
import { fullName, tableName } from './names.ts';

/** A relation that holds rows of its own: `r` table, `p` partitioned, `m` materialized view, `f` foreign table. */
export type Relation = {
  /** `schema.table`. */
  table: string;
  kind: 'r' | 'p' | 'm' | 'f';
  /** Columns with the type that their domain is over. */
  columns: { name: string; type: string }[];
  /** Tables that it inherits from, at any distance; rows there include its own. */
  parents: string[];
};

/** Why a table may hold an account's data: `reference` a foreign key, `key` or `email` a column like the account's. */
export type Finding = { table: string; kind: 'reference' | 'key' | 'email'; text: string };

export type Coverage = { uncovered: Finding[]; warnings: string[] };

const family = (type: string) => {
  if (/^(smallint|integer|bigint|numeric)\b/.test(type)) return 'integer';
  if (/^(text|character|citext)\b/.test(type)) return 'text';
  return type;
};
/** `accountId` and `account_id` are the same word. */
const word = (name: string) => name.toLowerCase().replaceAll('_', '');

/** `accounts` → `account`, `companies` → `company`, `boxes` → `box`. */
export const singular = (name: string): string => {
  if (/ies$/i.test(name)) return name.replace(/ies$/i, 'y');
  if (/(ss|x|z|ch|sh)es$/i.test(name)) return name.slice(0, -2);
  return /[^s]s$/i.test(name) ? name.slice(0, -1) : name;
};

/**
 * Finds the tables that may hold an account's data and that the catalog neither lists nor ignores:
 * those that reference the account table or a listed one, at any distance, and those with a column
 * that is called and typed like the account's key or address. One finding per table, the surest.
 */
export function findUncovered(
  declared: Declaration,
  relations: readonly Relation[],
  foreignKeys: readonly ForeignKey[],
): Coverage {
  const account = fullName(declared.account.table);
  const listed = new Set([account, ...declared.locations.map((l) => fullName(l.table))]);
  const ignored = new Set((declared.ignore ?? []).map((t) => fullName(t.table)));
  const known = new Map(relations.map((r) => [r.table, r]));
  const isCovered = (r: Relation) => [r.table, ...r.parents].some((t) => listed.has(t) || ignored.has(t));
  const reaches = walkReferences(listed, foreignKeys);
  const look = likeAccount(declared, known.get(account));

  const uncovered: Finding[] = [];
  for (const relation of relations) {
    if (isCovered(relation)) continue;
    const reference = reaches.get(relation.table);
    const columns = relation.columns.flatMap((c) => look(c) ?? []);
    const key = columns.find((c) => c.kind === 'key');
    const finding = reference ? aboutReference(relation, reference, listed, key?.name) : aboutColumn(relation, columns);
    if (finding) uncovered.push(finding);
  }
  const warnings = [...ignored]
    .filter((table) => !known.has(table))
    .map((table) => `ignore: ${table}: there is no such table`);
  return { uncovered: uncovered.sort((a, b) => (a.table < b.table ? -1 : 1)), warnings };
}

/** For each table that references one of `roots`, at any distance, the foreign key that leads there. */
function walkReferences(roots: ReadonlySet<string>, foreignKeys: readonly ForeignKey[]): Map<string, ForeignKey> {
  const found = new Map<string, ForeignKey>();
  // Keys that change rows first: of several on one table the worst is named.
  const sorted = [...foreignKeys].sort((a, b) => Number(changesRows(b)) - Number(changesRows(a)));
  for (let parents = roots; parents.size > 0; ) {
    const next = new Set<string>();
    for (const fk of sorted) {
      if (!parents.has(fk.parent) || roots.has(fk.child) || found.has(fk.child)) continue;
      found.set(fk.child, fk);
      next.add(fk.child);
    }
    parents = next;
  }
  return found;
}

type Like = { kind: 'key' | 'email'; name: string; type: string };

function likeAccount(declared: Declaration, account: Relation | undefined) {
  const typeOf = (column: string | undefined) => account?.columns.find((c) => c.name === column)?.type;
  const keyType = typeOf(declared.account.key);
  const own = `${singular(tableName(declared.account.table).table)}_id`;
  const names = new Set([own, ...declared.locations.map((l) => l.account)].map(word));
  const { email } = declared.account;
  return ({ name, type }: { name: string; type: string }): Like | undefined => {
    if (names.has(word(name)) && keyType !== undefined && family(type) === family(keyType))
      return { kind: 'key', name, type };
    if (email !== undefined && word(name) === word(email) && family(type) === 'text')
      return { kind: 'email', name, type };
    return undefined;
  };
}

const IGNORE = 'or list it under ignore with a reason';
const short = (table: string) => table.replace(/^public\./, '');
const entry = (table: string, column: string) =>
  `add { table: ${short(table)}, account: ${column}, owner: … } under locations`;

function aboutReference(
  { table }: Relation,
  fk: ForeignKey,
  listed: ReadonlySet<string>,
  key: string | undefined,
): Finding {
  const what = `${table} (${fk.columns.join(', ')}) references ${fk.parent} ON DELETE ${fk.onDelete}`;
  const add = key ? entry(table, key) : "give it a column with the account's key and list it under locations";
  // An erasure would delete or change its rows as a side effect: a reason does not make that right.
  const help = changesRows(fk) && listed.has(fk.parent) ? add : `${add}, ${IGNORE}`;
  return { table, kind: 'reference', text: `${what}: ${help}` };
}

function aboutColumn({ table, kind }: Relation, columns: readonly Like[]): Finding | undefined {
  const like = columns.find((c) => c.kind === 'key') ?? columns[0];
  if (!like) return undefined;
  const what = `${table} has a column ${like.name} (${like.type}) like the account's ${like.kind === 'key' ? 'key' : 'address'}`;
  return { table, kind: like.kind, text: `${what}: ${helpFor(kind, table, like)}` };
}

function helpFor(kind: Relation['kind'], table: string, like: Like): string {
  if (kind === 'm')
    return 'a materialized view keeps copies until it is refreshed: list it under ignore with a reason, for example when it is refreshed';
  if (kind === 'f') return 'a foreign table is erased where its rows are: list it under ignore with a reason';
  return like.kind === 'key'
    ? `${entry(table, like.name)}, ${IGNORE}`
    : `if it holds accounts' addresses, give it a column with the account's key and list it under locations, ${IGNORE}`;
}
