import { type SQL, sql } from 'drizzle-orm';
import type { KeyColumns, KeyType, KeyValue } from './types.ts';

/** Position of the column that a statement names; -1: none, or it names none of several. */
export const positionOf = (columns: KeyColumns, name: string | undefined): number =>
  columns.length === 1 && name === undefined ? 0 : columns.findIndex((column) => column.name === name);

/** A type as the server calls it. `category`: N of numbers, S of texts, U of what extensions add, and others. */
export type TypeName = { readonly name: string; readonly category: string };

/** A key of numbers goes where numbers do, a uuid where uuids do, and anything goes where texts do. */
export const goesInto = (type: KeyType | 'text', { name, category }: TypeName): boolean =>
  category === 'S' || (type === 'uuid' ? name === 'uuid' : type !== 'text' && category === 'N');

/**
 * The rows that have the key, column by column. What looks for test data uses it, so that it shares no condition
 * (`belongsTo`) with what erases.
 */
export const hasKey = (columns: KeyColumns, key: KeyValue): SQL =>
  sql.join(
    columns.map(({ name, type }, i) => sql`${sql.identifier(name)} = ${key[i]}::text::${sql.raw(type)}`),
    sql` AND `,
  );
