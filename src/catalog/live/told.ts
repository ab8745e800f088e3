import type { DeclaredTable } from './declared.ts';
import { fullName, locationName, nameParts, qualified } from './names.ts';

/** What `location.column` names. `place`: the table that it may mean, as `qualified` has it. */
export type Told = { readonly location: string; readonly place: string; readonly column: string };

/** Reads `location.column`, as a partner's entry has it. A name with a dot stands in quotes, or is `schema.table`. */
export function splitTold(written: string): Told {
  const parts = nameParts(written, 3) ?? [];
  const of = parts.slice(0, -1);
  const [schema, table] = of.length === 2 ? of : ['public', of[0]];
  return {
    location: of.join('.'),
    place: qualified({ schema: `${schema}`, table: `${table}` }),
    column: `${parts.at(-1)}`,
  };
}

/** The listed table that is told of: by the name of its location, or as the table itself is written. */
export const toldTable = <T extends Pick<DeclaredTable, 'name' | 'table'>>(
  tables: readonly T[],
  { location, place }: Told,
): T | undefined => tables.find((t) => locationName(t) === location) ?? tables.find((t) => fullName(t.table) === place);
