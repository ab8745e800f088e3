import { KINDS, type Kinds } from '../locations/kinds/registry.ts';
import { entryOf, partnerOf } from './entries.ts';
import { type Declaration, tablesOf } from './live/declared.ts';
import { fullName, locationName } from './live/names.ts';
import { splitTold, toldTable } from './live/told.ts';
import { parseDeclaration } from './load.ts';

type Written = { account: Record<string, unknown>; locations: Record<string, unknown>[]; ignore?: unknown };

/** True when both mean the same accounts: with another table or key, 42 would be somebody else. */
export const sameAccounts = (a: Declaration, b: Declaration): boolean =>
  fullName(a.account.table) === fullName(b.account.table) && a.account.key === b.account.key;

/**
 * The catalog that an erasure was accepted with, and what the current one has besides: locations, and the column of a
 * legal hold. Tables that both know stay as they were accepted; a name that both use for different places is told apart.
 * A partner that both know is asked as the current catalog has it: its address may have changed, and its columns, too.
 * Nothing is added by a catalog of other accounts.
 */
export function mergeDeclarations(accepted: Declaration, current: Declaration, kinds: Kinds = KINDS): Declaration {
  if (!sameAccounts(accepted, current)) return accepted;
  const known = accepted.locations.map((location) => entryOf(kinds, location));
  const places = new Map(known.map((entry) => [entry.unique, entry.name]));
  places.set(`table ${fullName(accepted.account.table)}`, '');
  const names = new Set(known.map((entry) => entry.name));
  const written = accepted.source as Written;
  const newer = current.source as Written;
  const entries = current.locations.map((location, i) => {
    const { name, place, unique } = entryOf(kinds, location);
    const as = places.get(unique) ?? (names.has(name) ? `${place} (added)`.slice(-63) : name);
    return { location, unique, name, as, written: newer.locations[i] as Entry };
  });
  const renamed = new Map(entries.map(({ name, as }) => [name, as]));
  const asPartner = ({ written, as }: (typeof entries)[number]) =>
    renamePlaces({ ...written, partner: as }, current, renamed);
  const again = new Map(
    entries
      .filter(({ location }) => partnerOf(location) !== undefined)
      .map((entry) => [entry.unique, asPartner(entry)]),
  );
  const added = entries
    .filter(({ unique }) => !places.has(unique))
    .map(({ unique, name, as, written }) => again.get(unique) ?? (as === name ? written : { ...written, name: as }));
  const { hold } = current.account;
  const merged: Written = {
    ...written,
    account: { ...written.account, ...(hold === undefined ? {} : { hold }) },
    locations: [...written.locations.map((entry, i) => again.get(known[i]?.unique as string) ?? entry), ...added],
  };
  // What is ignored is a matter of the database as it is now.
  delete merged.ignore;
  if (newer.ignore !== undefined) merged.ignore = newer.ignore;
  return parseDeclaration(merged, 'the catalog of the request', kinds);
}

type Entry = Record<string, unknown>;

/** The entry of a partner with the names that the merged catalog has for the locations it names. */
function renamePlaces(entry: Entry, current: Declaration, renamed: ReadonlyMap<string, string>): Entry {
  const named = (name: unknown) => renamed.get(`${name}`) ?? name;
  const { each, after, before } = entry;
  const told = typeof each === 'string' ? splitTold(each) : undefined;
  const table = told && toldTable(tablesOf(current), told);
  const rest = {
    ...(table && told ? { each: `${quoted(`${named(locationName(table))}`)}.${quoted(told.column)}` } : {}),
    ...(after === undefined ? {} : { after: [after].flat().map(named) }),
    ...(before === undefined ? {} : { before: [before].flat().map(named) }),
  };
  return { ...entry, ...rest };
}

const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;
