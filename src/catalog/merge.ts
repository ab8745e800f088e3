import { type Declaration, tablesOf } from './live/declared.ts';
import { fullName, locationName } from './live/names.ts';
import { parseDeclaration } from './load.ts';

type Written = { account: Record<string, unknown>; locations: Record<string, unknown>[]; ignore?: unknown };

/** True when both mean the same accounts: with another table or key, 42 would be somebody else. */
export const sameAccounts = (a: Declaration, b: Declaration): boolean =>
  fullName(a.account.table) === fullName(b.account.table) && a.account.key === b.account.key;

/**
 * The catalog that an erasure was accepted with, and what the current one has besides: locations, and
 * the column of a legal hold. What both know stays as it was accepted; a name that both use for different tables is
 * told apart. Nothing is added by a catalog of other accounts.
 */
export function mergeDeclarations(accepted: Declaration, current: Declaration): Declaration {
  if (!sameAccounts(accepted, current)) return accepted;
  const tables = new Set([accepted.account.table, ...tablesOf(accepted).map((l) => l.table)].map(fullName));
  const names = new Set(tablesOf(accepted).map(locationName));
  const written = accepted.source as Written;
  const newer = current.source as Written;
  const added = tablesOf(current).flatMap((location, i) => {
    if (tables.has(fullName(location.table))) return [];
    const taken = names.has(locationName(location));
    return [{ ...newer.locations[i], ...(taken ? { name: `${fullName(location.table)} (added)`.slice(-63) } : {}) }];
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
  return parseDeclaration(merged, 'the catalog of the request');
}
