import type { Declaration } from '../live/declared.ts';
import { fullName, identifier, nameParts, qualified } from '../live/names.ts';

/** `schema.table.column` as a statement needs it. */
export const columnName = (table: string, column: string): string => `${table}.${identifier(column)}`;

/** The table and column of `table.column` or `schema.table.column`. */
export function splitColumn(text: string): { table: string; column: string } {
  const parts = nameParts(text, 3) ?? [];
  const [schema, table] = parts.length === 3 ? parts : ['public', parts[0]];
  return { table: qualified({ schema: `${schema}`, table: `${table}` }), column: `${parts.at(-1)}` };
}

export type Ignored = { tables: ReadonlySet<string>; columns: ReadonlySet<string> };

/** What a catalog has decided with a reason: tables, and columns as `columnName` has them. */
export function ignoredOf({ ignore = [] }: Pick<Declaration, 'ignore'>): Ignored {
  const tables = ignore.flatMap((i) => (i.table === undefined ? [] : [fullName(i.table)]));
  const columns = ignore.flatMap((i) => (i.column === undefined ? [] : [splitColumn(i.column)]));
  return { tables: new Set(tables), columns: new Set(columns.map((c) => columnName(c.table, c.column))) };
}
