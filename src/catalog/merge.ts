import { KINDS, type Kinds } from '../locations/kinds/registry.ts';
import { entryOf } from './entries.ts';
import type { Declaration } from './live/declared.ts';
import { fullName } from './live/names.ts';
import { parseDeclaration } from './load.ts';

type Written = { account: Record<string, unknown>; locations: Record<string, unknown>[]; ignore?: unknown };

/** True when both mean the same accounts: with another table or key, 42 would be somebody else. */
export const sameAccounts = (a: Declaration, b: Declaration): boolean =>
  fullName(a.account.table) === fullName(b.account.table) && a.account.key === b.account.key;

/**
 * The catalog that an erasure was accepted with, and what the current one has besides: locations, and
 * the column of a legal hold. What both know stays as it was accepted; a name that both use for different places is
 * told apart. Nothing is added by a catalog of other accounts.
 */
export function mergeDeclarations(accepted: Declaration, current: Declaration, kinds: Kinds = KINDS): Declaration {
  if (!sameAccounts(accepted, current)) return accepted;
  const known = accepted.locations.map((location) => entryOf(kinds, location));
  const places = new Set([`table ${fullName(accepted.account.table)}`, ...known.map((entry) => entry.unique)]);
  const names = new Set(known.map((entry) => entry.name));
  const written = accepted.source as Written;
  const newer = current.source as Written;
  const added = current.locations.flatMap((location, i) => {
    const { name, place, unique } = entryOf(kinds, location);
    if (places.has(unique)) return [];
    return [{ ...newer.locations[i], ...(names.has(name) ? { name: `${place} (added)`.slice(-63) } : {}) }];
  });
  const { hold } = current.account;
  const merged: Written = {
    ...written,
    account: { ...written.account, ...(hold === undefined ? {} : { hold }) },
    locations: [...written.locations, ...added],
  };
  // What is ignored is a matter of the database as it is now.
  delete merged.ignore;
  if (newer.ignore !== undefined) merged.ignore = newer.ignore;
  return parseDeclaration(merged, 'the catalog of the request', kinds);
}
