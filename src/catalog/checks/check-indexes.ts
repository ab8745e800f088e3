import type { ForeignKey, IndexColumn, TableFacts } from '../live/inspect.ts';
import { identifiers } from '../live/names.ts';
import { reference } from './check-references.ts';

/** Each column once: where the account's key is the table's own key as well, one column says both. */
const distinct = (columns: readonly string[]): string[] => [...new Set(columns)];

/** True when an index has the account's rows in the order of their keys, read forwards or backwards. */
export function hasOrder(table: TableFacts, columns: readonly string[]): boolean {
  const wanted = distinct(columns);
  const runs = (index: readonly IndexColumn[], order: IndexColumn['order']) =>
    wanted.every((column, i) => index[i]?.name === column && index[i].order === order);
  return table.indexes.some(({ columns: index }) => runs(index, 'asc') || runs(index, 'desc'));
}

/** The warning about a location whose slices cannot walk an index. */
export const orderWarning = (table: TableFacts, columns: readonly string[]): string =>
  `${table.table}: no index leads with (${identifiers(distinct(columns))}), so each slice reads too much: ${createIndex(table, columns)}`;

/** The warning about referencing columns that cannot be looked up, or undefined. */
export function lookUpWarning(table: TableFacts | undefined, fk: ForeignKey): string | undefined {
  const wanted = distinct(fk.columns);
  const serves = ({ columns: index }: TableFacts['indexes'][number]) =>
    wanted.every((c) => index.slice(0, wanted.length).some((of) => of.name === c && of.order !== 'foreign'));
  if (!table || table.indexes.some(serves)) return undefined;
  return `${reference(fk)} without an index, so deleting a parent reads the whole table: ${createIndex(table, fk.columns)}`;
}

/** The statement, which runs as it stands. PostgreSQL builds no index of a partitioned table concurrently. */
function createIndex(table: TableFacts, columns: readonly string[]): string {
  const on = `ON ${table.table} (${identifiers(distinct(columns))})`;
  if (table.kind !== 'p') return `CREATE INDEX CONCURRENTLY ${on}`;
  return `it is partitioned, so this keeps writers waiting; at a quiet time: CREATE INDEX ${on}`;
}
