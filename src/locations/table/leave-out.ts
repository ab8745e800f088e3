import { type Declaration, type DeclaredTable, tablesOf } from '../../catalog/live/declared.ts';
import type { ForeignKey } from '../../catalog/live/inspect.ts';
import { fullName } from '../../catalog/live/names.ts';
import { type LiveSchema, type ResolvedTables, resolveTables } from './resolve.ts';

type Part = { declared: Declaration; onto: readonly ForeignKey[] };

/**
 * The tables without what does not fit any more; the problems stay those of all of them. A foreign key that makes an
 * error is left out: whoever deletes what it points at meets it again (`refuseNewReferences`). A location that makes one
 * is left out too, and named in `unusable`. Nothing is kept where the account's table is at fault, or no location is left.
 */
export function leaveOut(declared: Declaration, live: LiveSchema): ResolvedTables & { unusable: string[] } {
  const resolve = (part: Part) => resolveTables(part.declared, { ...live, onto: part.onto });
  let rest: Part = { declared, onto: live.onto };
  const whole = resolve(rest);
  const { errors, warnings } = whole;
  const unusable: string[] = [];
  for (let now = whole; ; ) {
    if (now.kept) return { ...now, errors, warnings, unusable };
    const fewer = smaller(rest).find((one) => resolve(one).errors.length < now.errors.length);
    if (!fewer) return { errors, warnings, locations: [], unusable: errors };
    const left = resolve(fewer);
    if (fewer.declared !== rest.declared) unusable.push(...now.errors.filter((error) => !left.errors.includes(error)));
    rest = fewer;
    now = left;
  }
}

/** The same without one foreign key, for each of them; then without one table. */
function smaller({ declared, onto }: Part): Part[] {
  const keys = onto.map((fk) => ({ declared, onto: onto.filter((other) => other !== fk) }));
  const tables = tablesOf(declared);
  if (tables.length < 2) return keys;
  const without = (table: DeclaredTable): Part => {
    const name = fullName(table.table);
    return {
      declared: { ...declared, locations: declared.locations.filter((other) => other !== table) },
      onto: onto.filter((fk) => fk.child !== name && fk.parent !== name),
    };
  };
  return [...keys, ...tables.map(without)];
}
