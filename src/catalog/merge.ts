import type { Declaration } from './load.ts';

const fullName = (table: string) => (table.includes('.') ? table : `public.${table}`);

/**
 * The catalog that an erasure was accepted with, and the locations that the current one has besides.
 * What both know stays as it was accepted; a name that both use for different tables is told apart.
 */
export function mergeDeclarations(accepted: Declaration, current: Declaration): Declaration {
  const tables = new Set([accepted.account.table, ...accepted.locations.map((l) => l.table)].map(fullName));
  const names = new Set(accepted.locations.map((l) => l.name ?? l.table));
  const added = current.locations
    .filter((l) => !tables.has(fullName(l.table)))
    .map((l) => (names.has(l.name ?? l.table) ? { ...l, name: `${fullName(l.table)} (added)`.slice(-63) } : l));
  // What is ignored is a matter of the database as it is now.
  return { ...accepted, ignore: current.ignore, locations: [...accepted.locations, ...added] };
}
