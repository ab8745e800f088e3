import type { Kinds } from '../locations/kinds/registry.ts';
import { columnName, splitColumn } from './checks/ignored.ts';
import { entryOf, partnerOf } from './entries.ts';
import { type Declaration, tablesOf } from './live/declared.ts';
import { fullName, tableName } from './live/names.ts';

type Parsed = Pick<Declaration, 'account' | 'locations' | 'ignore' | 'owners'>;

/** What is named twice in a file: places and names of locations, over all kinds, and what is ignored. In words, with the places in the file. */
export function checkNames(data: Parsed, file: string, kinds: Kinds): string[] {
  const seen = new Map<string, string>();
  const problems: string[] = [];
  const account = fullName(data.account.table);
  for (const [index, location] of data.locations.entries()) {
    const { name, written, unique: place } = entryOf(kinds, location);
    const isPartner = partnerOf(location) !== undefined;
    const all = [place, `name ${name}`];
    // A partner's place is its name, and would be said twice.
    const twice = all.filter((unique) => seen.has(unique)).slice(0, isPartner ? 1 : 2);
    for (const unique of twice)
      problems.push(`${file}: locations.${index}: ${unique} is listed twice, first at ${seen.get(unique)}`);
    for (const unique of all) if (!seen.has(unique)) seen.set(unique, `locations.${index}`);
    if (place === `table ${account}`) {
      problems.push(`${file}: locations.${index}: ${written} is the account table; list only what it owns`);
    } else if (name === tableName(data.account.table).table) {
      // The task of the account's own row has that name, and an erasure has one task of each name.
      problems.push(
        `${file}: locations.${index}: the name ${name} is the account's own: give the ${isPartner ? 'partner' : 'location'} another`,
      );
    }
  }
  return [...problems, ...checkIgnored(data, seen, file), ...checkOwners(data, file)];
}

function checkOwners({ owners = [] }: Parsed, file: string): string[] {
  const first = new Map<string, number>();
  return owners.flatMap(({ owner }, index) => {
    const before = first.get(owner);
    if (before !== undefined) return [`${file}: owners.${index}: ${owner} is listed twice, first at owners.${before}`];
    first.set(owner, index);
    return [];
  });
}

function checkIgnored(data: Parsed, seen: ReadonlyMap<string, string>, file: string): string[] {
  const { account, locations, ignore = [] } = data;
  const problems: string[] = [];
  const ignored = new Map<string, string>();
  const holders = new Map(
    tablesOf(data).map((l) => [columnName(fullName(l.table), l.account), `locations.${locations.indexOf(l)}`]),
  );
  for (const [index, entry] of ignore.entries()) {
    const place = `ignore.${index}`;
    const of = entry.column === undefined ? undefined : splitColumn(entry.column);
    const key = of ? columnName(of.table, of.column) : fullName(`${entry.table}`);
    const what = `${of ? 'column' : 'table'} ${key}`;
    const listed = of ? holders.get(key) : seen.get(what);
    const first = ignored.get(key);
    if (key === fullName(account.table)) problems.push(`${file}: ${place}: ${entry.table} is the account table`);
    else if (listed && of)
      problems.push(`${file}: ${place}: ${what} is the account column of ${listed}: it cannot be both`);
    else if (listed) problems.push(`${file}: ${place}: ${what} is listed at ${listed}: it cannot be both`);
    else if (first) problems.push(`${file}: ${place}: ${what} is listed twice, first at ${first}`);
    else ignored.set(key, place);
  }
  return problems;
}
