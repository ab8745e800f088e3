import { Column, is, type SQL, sql } from 'drizzle-orm';
import { inMs } from './milliseconds.ts';
import { TIME } from './schema.ts';

/** Types whose text follows settings of the database or the role: DateStyle and TimeZone, extra_float_digits. */
const FORMS: Record<string, (what: SQL) => SQL> = {
  [TIME]: inMs,
  'double precision': (what) => sql`${what}::numeric`,
};

/** Reads a column in a form that no setting changes; undefined where its text is such a form. `name`: how it is called there. */
export const exactly = (column: Column, name: SQL = sql`${column}`): SQL | undefined =>
  FORMS[column.getSQLType()]?.(name);

type Field = { field: unknown };
type Select = (this: unknown, fields: Field[], options?: object) => SQL;

/** Makes every SELECT and RETURNING that Drizzle builds for this database read its columns `exactly`. */
export function selectExactly(db: object): void {
  const { dialect } = db as { dialect: { buildSelection: Select } };
  const { buildSelection } = dialect;
  dialect.buildSelection = function (fields, options) {
    const exact = fields.map((of) => ({ ...of, field: (is(of.field, Column) && exactly(of.field)) || of.field }));
    return buildSelection.call(this, exact, options);
  };
}
