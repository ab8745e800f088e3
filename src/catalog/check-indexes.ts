import { reference } from './check-references.ts';
import type { ForeignKey, TableFacts } from './inspect.ts';
import { identifiers } from './names.ts';

/** True when an index has the account's rows in the order of their keys. */
export const hasOrder = (table: TableFacts, columns: readonly string[]): boolean =>
  table.indexes.some((index) => columns.every((column, i) => index.columns[i] === column));

/** The warning about a location whose slices cannot walk an index. */
export const orderWarning = (table: TableFacts, columns: readonly string[]): string =>
  `${table.table}: no index leads with (${identifiers(columns)}), so each slice reads too much: ${createIndex(table, columns)}`;

/** The warning about referencing columns that cannot be looked up, or undefined. */
export function lookUpWarning(table: TableFacts | undefined, fk: ForeignKey): string | undefined {
  const serves = (index: { columns: string[] }) =>
    fk.columns.every((c) => index.columns.slice(0, fk.columns.length).includes(c));
  if (!table || table.indexes.some(serves)) return undefined;
  return `${reference(fk)} without an index, so deleting a parent reads the whole table: ${createIndex(table, fk.columns)}`;
}

const createIndex = (table: TableFacts, columns: readonly string[]) =>
  `CREATE INDEX CONCURRENTLY ON ${table.table} (${identifiers(columns)})`;
