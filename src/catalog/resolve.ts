import type { Kept } from '../locations/kind.ts';
import type { Kinds } from '../locations/kinds/registry.ts';
import type { Database } from '../store/client.ts';
import type { Declaration, Problems } from './live/declared.ts';
import type { Catalog, Location, TableLocation } from './live/types.ts';

/** `catalog` is absent where it does not fit. */
export type Resolution = Problems & { catalog?: Catalog };

/**
 * Asks each kind to compare its entries with the live system, and puts the catalog together. There is no catalog with
 * errors, unless misfits are left out; nor without the account's table, or any location.
 */
export async function resolveCatalog(
  db: Database,
  declared: Declaration,
  kinds: Kinds,
  how: { leaveOutMisfits: boolean },
): Promise<Resolution & { unusable: string[] }> {
  const all = { errors: [] as string[], warnings: [] as string[], unusable: [] as string[] };
  const locations: Location[] = [];
  let kept: Kept | undefined;
  for (const kind of Object.values(kinds)) {
    const found = await kind.resolve(db, declared, how);
    all.errors.push(...found.errors);
    all.warnings.push(...found.warnings);
    all.unusable.push(...found.unusable);
    locations.push(...found.locations);
    kept ??= found.kept;
  }
  const fits = all.errors.length === 0 || how.leaveOutMisfits;
  if (!kept || !fits || locations.length === 0) return { ...all, unusable: all.errors };
  locations.sort((a, b) => a.stage - b.stage || a.name.localeCompare(b.name));
  return { ...all, catalog: { digest: declared.digest, ...kept, locations, tables: locations.filter(isTable) } };
}

const isTable = (location: Location): location is TableLocation => location.kind === 'table';
