import { getTableColumns, is, SQL, sql } from 'drizzle-orm';
import { PgDialect, type PgInsertValue, type PgTable } from 'drizzle-orm/pg-core';
import { exactly } from './exactly.ts';

/*
 * Whole rows in statements that are asked for often. Drizzle's builders make a chunk or more of every column, twice
 * where a WITH returns them, and put them together anew each time.
 */

/** New values of some columns, as they are or as the database makes them. */
export type Change<T extends PgTable> = { [K in keyof T['$inferInsert']]?: T['$inferInsert'][K] | SQL };

const texts = new WeakMap<PgTable, SQL>();

/** Every column's name, for RETURNING. Not `*`: a prepared statement must not change with its table. */
export function columnsOf(table: PgTable): SQL {
  const known = texts.get(table);
  if (known) return known;
  const names = Object.values(getTableColumns(table)).map((column) => {
    const name = sql`${sql.identifier(column.name)}`;
    const exact = exactly(column, name);
    return exact ? sql`${exact} AS ${name}` : name;
  });
  const text = sql.raw(new PgDialect().sqlToQuery(sql.join(names, sql`, `)).sql);
  texts.set(table, text);
  return text;
}

/** `INSERT INTO table (…) VALUES (…)` of what `row` holds; the other columns get their defaults. */
export function insertRow<T extends PgTable>(table: T, row: PgInsertValue<T>): SQL {
  const columns = getTableColumns(table);
  const given = Object.entries(row).filter(([, value]) => value !== undefined);
  const names = given.map(([key]) => `"${columns[key]?.name}"`).join(', ');
  const values = given.map(([key, value]) => (is(value, SQL) ? value : sql.param(value, columns[key])));
  return sql`INSERT INTO ${table} (${sql.raw(names)}) VALUES (${sql.join(values, sql`, `)})`;
}

/** `"a" = $1, "b" = now()`, for UPDATE … SET. */
export function assignments<T extends PgTable>(table: T, change: Change<T>): SQL {
  const columns = getTableColumns(table);
  const given = Object.entries(change).filter(([, value]) => value !== undefined);
  const each = given.map(([key, value]) => {
    const name = sql.raw(`"${columns[key]?.name}" = `);
    return sql`${name}${is(value, SQL) ? value : sql.param(value, columns[key])}`;
  });
  return sql.join(each, sql`, `);
}

/** A row with the columns of `columnsOf`, as the driver gives it, in the table's own types. */
export function readRow<T extends PgTable>(table: T, row: Record<string, unknown>): T['$inferSelect'] {
  const read = Object.entries(getTableColumns(table)).map(([key, column]) => {
    const value = row[column.name];
    return [key, value === null ? null : column.mapFromDriverValue(value)];
  });
  return Object.fromEntries(read) as T['$inferSelect'];
}
