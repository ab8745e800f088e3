import type { ForeignKey } from '../live/inspect.ts';
import type { Relation } from '../live/relation.ts';
import { family } from './account-like.ts';
import { changesRows } from './check-references.ts';
import { columnName, type Ignored } from './ignored.ts';
import type { KeyOwners } from './key-columns.ts';
import { endsWithWords, singular, word } from './words.ts';

/** For each table that references one of `roots`, at any distance, the foreign key that leads there. */
export function walkReferences(
  roots: ReadonlySet<string>,
  foreignKeys: readonly ForeignKey[],
): Map<string, ForeignKey> {
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

/** A column that is called and typed like the key of another table: `website_id` for `website`. */
export type Below = { parent: string; column: string; type: string };

/**
 * For each table without a foreign key there, the column that is like the key of one of `roots`, at any distance. What
 * is ignored is not gone through.
 */
export function walkNames(
  roots: ReadonlySet<string>,
  relations: readonly Relation[],
  owners: KeyOwners,
  ignored: Ignored,
): Map<string, Below> {
  const found = new Map<string, Below>();
  for (let parents = relations.filter((r) => roots.has(r.table)); parents.length > 0; ) {
    const next: Relation[] = [];
    for (const relation of relations) {
      if (roots.has(relation.table) || found.has(relation.table) || ignored.tables.has(relation.table)) continue;
      const below = parents.flatMap((parent) => likeKeyOf(parent, relation, owners, ignored) ?? [])[0];
      if (!below) continue;
      found.set(relation.table, below);
      next.push(relation);
    }
    parents = next;
  }
  return found;
}

function likeKeyOf(parent: Relation, child: Relation, owners: KeyOwners, ignored: Ignored): Below | undefined {
  const [key, ...more] = parent.key;
  const type = parent.columns.find((c) => c.name === key)?.type;
  if (key === undefined || more.length > 0 || type === undefined) return undefined;
  const names = [`${singular(parent.name)}_id`, ...(word(key) === 'id' ? [] : [key])];
  const column = child.columns.find(
    (c) =>
      names.some((name) => endsWithWords(c.name, name)) &&
      family(c.type) === family(type) &&
      !c.numbered &&
      !owners.references(child.table, c.name) &&
      !ignored.columns.has(columnName(child.table, c.name)),
  );
  return column && { parent: parent.table, column: column.name, type: column.type };
}
