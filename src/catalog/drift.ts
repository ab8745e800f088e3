import { type Declaration, tablesOf } from './live/declared.ts';
import type { ForeignKey, TableFacts } from './live/inspect.ts';
import { fullName } from './live/names.ts';
import type { Hook } from './live/types.ts';
import { type Resolution, resolveCatalog } from './resolve.ts';

/** How far the live schema has moved away from a catalog that has fitted it. In words that say what to do. */
export type Drift = {
  /** Everything that does not fit. */
  readonly problems: readonly string[];
  /** Of these, what keeps a location from being erased: no erasure can prove that nothing is left. */
  readonly unusable: readonly string[];
};

export const NO_DRIFT: Drift = { problems: [], unusable: [] };

type Facts = ReadonlyMap<string, TableFacts>;

/**
 * The catalog without what does not fit any more. A foreign key that makes an error is left out: whoever deletes what it
 * points at meets it again (`refuseNewReferences`). A location that makes one is left out too, and named in `unusable`.
 * There is no catalog where the account's table is at fault, or no location is left.
 */
export function resolveDrifted(
  declared: Declaration,
  facts: Facts,
  foreignKeys: readonly ForeignKey[],
  allKeys: readonly ForeignKey[],
  hooks: readonly Hook[] = [],
): Resolution & { drift: Drift } {
  const resolve = (part: Part) => resolveCatalog(part.declared, facts, part.foreignKeys, allKeys, hooks);
  const whole = resolve({ declared, foreignKeys });
  const unusable: string[] = [];
  let rest: Part = { declared, foreignKeys };
  for (let now = whole; ; ) {
    if (now.catalog) return { ...whole, catalog: now.catalog, drift: { problems: whole.errors, unusable } };
    const fewer = smaller(rest).find((one) => resolve(one).errors.length < now.errors.length);
    if (!fewer) return { ...whole, drift: { problems: whole.errors, unusable: whole.errors } };
    const left = resolve(fewer);
    if (fewer.declared !== rest.declared) unusable.push(...now.errors.filter((error) => !left.errors.includes(error)));
    rest = fewer;
    now = left;
  }
}

type Part = { declared: Declaration; foreignKeys: readonly ForeignKey[] };

/** The same without one foreign key, for each of them; then without one location. */
function smaller({ declared, foreignKeys }: Part): Part[] {
  const keys = foreignKeys.map((fk) => ({ declared, foreignKeys: foreignKeys.filter((other) => other !== fk) }));
  const locations = tablesOf(declared);
  if (locations.length < 2) return keys;
  const fewer = locations.map((location) => {
    const name = fullName(location.table);
    return {
      declared: { ...declared, locations: locations.filter((other) => other !== location) },
      foreignKeys: foreignKeys.filter((fk) => fk.child !== name && fk.parent !== name),
    };
  });
  return [...keys, ...fewer];
}
