import { type DriverValueEncoder, is, Param, Placeholder, type Query, SQL, sql } from 'drizzle-orm';
import { PgDialect } from 'drizzle-orm/pg-core';

const dialect = new PgDialect();

/** Where a value goes, and the column whose type it has there. */
type Slot = { name: string; column: DriverValueEncoder<unknown, unknown> | undefined };
type Text = { sql: string; slots: Slot[] };
const texts = new WeakMap<object, Map<string, Text>>();

/** A statement that is put together already. Drizzle asks it for its text as it asks any other statement. */
class Written extends SQL {
  readonly #query: Query;
  constructor(query: Query) {
    super([]);
    this.#query = query;
  }
  override toQuery(): Query {
    return this.#query;
  }
}

/**
 * A statement whose text is put together once for each `owner` (a table, a catalog) and `name`, and filled with
 * `values` each time. To put 15 of them together takes as long as what else a request does. `build` gets slots, to be
 * used as the values would be; lists of one name have the same length each time. Throws when it uses anything else as a
 * parameter: kept, the first caller's value would go out for all others.
 */
export function keptText<V extends Record<string, unknown>>(
  owner: object,
  name: string,
  values: V,
  build: (slots: V) => SQL,
): SQL {
  const known = texts.get(owner)?.get(name) ?? keep(owner, name, build(slotsFor(values)));
  const named = flat(values);
  const params = known.slots.map(({ name, column }) => {
    const value = named[name];
    if (value === undefined) throw new Error(`${name} has no value`);
    return column && value !== null ? column.mapToDriverValue(value) : value;
  });
  return new Written({ sql: known.sql, params });
}

function keep(owner: object, name: string, statement: SQL): Text {
  const built = dialect.sqlToQuery(statement);
  const slots = built.params.map((param): Slot => {
    if (is(param, Placeholder)) return { name: param.name as string, column: undefined };
    if (is(param, Param) && is(param.value, Placeholder))
      return { name: param.value.name as string, column: param.encoder };
    throw new Error(`${name}: a value in a text that is kept`);
  });
  const text = { sql: built.sql, slots };
  texts.set(owner, (texts.get(owner) ?? new Map()).set(name, text));
  return text;
}

/** Lists with a name for each of their values. */
function flat(values: Record<string, unknown>): Record<string, unknown> {
  const named: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(values)) {
    if (Array.isArray(value)) for (const [n, one] of value.entries()) named[`${name} ${n}`] = one;
    else named[name] = value;
  }
  return named;
}

function slotsFor<V extends Record<string, unknown>>(values: V): V {
  const slots = Object.entries(values).map(([name, value]) => [
    name,
    Array.isArray(value) ? value.map((_, n) => sql.placeholder(`${name} ${n}`)) : sql.placeholder(name),
  ]);
  return Object.fromEntries(slots) as V;
}
