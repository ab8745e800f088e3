import type { ForeignKey } from '../live/inspect.ts';
import { columnName } from './ignored.ts';

/** What the foreign keys say about the columns that may hold the account's key. */
export type KeyOwners = {
  /** Foreign keys lead from the column to the account's key, at any distance. */
  holds: (table: string, column: string) => boolean;
  /** The column has a foreign key of its own. */
  references: (table: string, column: string) => boolean;
  /** A foreign key of the column, where none leads to the account's key: its values are somebody else's. */
  elsewhere: (table: string, column: string) => ForeignKey | undefined;
};

/**
 * Follows the foreign keys of the whole database to the account's key. A declared account column without a foreign
 * key of its own is believed, so that what references it counts as well.
 */
export function followKeys(
  account: { table: string; key: string },
  declared: readonly { table: string; column: string }[],
  foreignKeys: readonly ForeignKey[],
): KeyOwners {
  const owned = new Map<string, ForeignKey[]>();
  for (const fk of foreignKeys)
    for (const column of fk.columns) {
      const name = columnName(fk.child, column);
      owned.set(name, [...(owned.get(name) ?? []), fk]);
    }
  const believed = declared.map((d) => columnName(d.table, d.column)).filter((name) => !owned.has(name));
  const holding = new Set([columnName(account.table, account.key), ...believed]);
  for (let before = -1; before !== holding.size; ) {
    before = holding.size;
    for (const fk of foreignKeys)
      fk.columns.forEach((column, i) => {
        if (holding.has(columnName(fk.parent, `${fk.referenced[i]}`))) holding.add(columnName(fk.child, column));
      });
  }
  const holds = (table: string, column: string) => holding.has(columnName(table, column));
  return {
    holds,
    references: (table, column) => owned.has(columnName(table, column)),
    elsewhere: (table, column) => (holds(table, column) ? undefined : owned.get(columnName(table, column))?.[0]),
  };
}
