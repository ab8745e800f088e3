import { isAsked } from '../locations/asked.ts';
import type { Kept } from '../locations/kind.ts';
import type { Kinds } from '../locations/kinds/registry.ts';
import type { Database } from '../store/client.ts';
import { findStrangeOwners } from './check-owners.ts';
import type { Declaration, Problems } from './live/declared.ts';
import type { Catalog, Location, TableLocation } from './live/types.ts';
import { orderPartners } from './order-partners.ts';

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
  const all = { errors: [] as string[], warnings: findStrangeOwners(declared), unusable: [] as string[] };
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
  const ordered = orderPartners(locations, kept.account.table);
  const sorted = [...ordered].sort((a, b) => a.stage - b.stage || a.name.localeCompare(b.name));
  return {
    ...all,
    catalog: {
      digest: declared.digest,
      ...kept,
      locations: sorted,
      tables: sorted.filter(isTable),
      gathered: gatheredOf(sorted, kept.account.table),
    },
  };
}

/** What must be kept of rows that go, since partners are told of it. */
function gatheredOf(locations: readonly Location[], account: string): Map<string, readonly string[]> {
  const columns = new Map<string, Set<string>>();
  const add = (from: string, names: readonly string[]) =>
    columns.set(from, new Set([...(columns.get(from) ?? []), ...names]));
  for (const location of locations.filter(isAsked)) {
    if (location.each) add(location.each.location, [location.each.column]);
    const selected = Object.values(location.select);
    if (selected.length > 0 && !location.early) add(account, selected);
  }
  return new Map([...columns].map(([from, names]) => [from, [...names].sort()]));
}

const isTable = (location: Location): location is TableLocation => location.kind === 'table';
