import type { Catalog } from '../../../catalog/live/types.ts';
import type { Cycle } from '../../../erasure/progress/canaries.ts';
import type { Untested } from './test-data-page.ts';

/** Kinds in which nobody can plant, and nobody can look. */
const UNABLE: readonly string[] = ['request', 'event'];

/** Locations that the newest planted test data has nothing in. Empty before anything was planted. */
export function untestedIn({ locations }: Pick<Catalog, 'locations'>, cycles: readonly Cycle[]): Untested[] {
  const planted = cycles.find((cycle) => cycle.planted !== null)?.planted;
  if (!planted) return [];
  return locations
    .filter(({ name }) => !(Object.hasOwn(planted, name) && (planted[name] as number) > 0))
    .map(({ name, owner, kind }) => ({
      name,
      owner,
      why: UNABLE.includes(kind)
        ? 'its kind cannot plant anything, and cannot look for it'
        : 'nothing was planted in it the last time',
    }));
}
