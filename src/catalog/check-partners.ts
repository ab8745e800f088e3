import type { DeclaredPartner } from '../locations/outside/declare.ts';
import { orderTables } from './checks/order.ts';
import { partnerOf } from './entries.ts';
import { type Declaration, type DeclaredLocation, tablesOf } from './live/declared.ts';
import { fullName, locationName, tableName } from './live/names.ts';
import { orMeant } from './live/nearest.ts';
import { splitTold, toldTable } from './live/told.ts';
import { edgesOf, findEarly } from './order-partners.ts';

type Parsed = Pick<Declaration, 'account' | 'locations'>;

/** What the entries of partners say of one another and of tables, and cannot mean. In words, with the places in the file. */
export function checkPartners(data: Parsed, file: string): string[] {
  const partners = data.locations.filter(isPartner);
  const said = (entry: DeclaredPartner) => (words: string) =>
    `${file}: locations.${data.locations.indexOf(entry)}: ${entry.partner}: ${words}`;
  const problems = partners.flatMap((entry) =>
    [...wrongNames(data, entry), ...wrongSelect(data, entry), ...wrongEach(data, entry)].map(said(entry)),
  );
  const inOrder = partners.map(orderOf);
  const { cycles } = orderTables(
    inOrder.map(({ name }) => name),
    edgesOf(inOrder).filter(({ child, parent }) => child !== parent),
  );
  for (const cycle of cycles)
    problems.push(
      `${file}: locations: partners wait for one another in a circle: ${[...cycle, cycle[0]].join(' waits for ')}`,
    );
  if (cycles.length > 0) return problems;
  const early = findEarly(inOrder, insideOf(data));
  return [
    ...problems,
    ...partners
      .filter(({ partner }) => early.has(partner))
      .flatMap((entry) => tooEarly(data, entry, early.get(entry.partner) as string).map(said(entry))),
  ];
}

const isPartner = (entry: DeclaredLocation): entry is DeclaredPartner => partnerOf(entry) !== undefined;

const orderOf = ({ partner, after = [], before = [] }: DeclaredPartner) => ({ name: partner, after, before });

/** What is erased in the account's own database: names of tables, and that of the account's. */
const insideOf = (data: Parsed): ReadonlySet<string> =>
  new Set([tableName(data.account.table).table, ...tablesOf(data).map(locationName)]);

const quotedAll = (names: Iterable<string>) => [...names].join(', ');

/** `after` and `before` must name what is there. */
function wrongNames(data: Parsed, { partner, after = [], before = [] }: DeclaredPartner): string[] {
  const known = [...insideOf(data), ...data.locations.flatMap((l) => partnerOf(l) ?? [])];
  const others = known.filter((name) => name !== partner);
  const wrong = (key: string) => (name: string) => {
    if (name === partner) return [`${key}: ${name} is the partner itself`];
    return known.includes(name)
      ? []
      : [`${key}: there is no location ${name}${orMeant(name, others) || `; there are ${quotedAll(others)}`}`];
  };
  return [...after.flatMap(wrong('after')), ...before.flatMap(wrong('before'))];
}

/** `select` reads the account's row only. */
function wrongSelect(data: Parsed, { select = {} }: DeclaredPartner): string[] {
  const { account } = data;
  return Object.entries(select).flatMap(([name, written]) => {
    const told = splitTold(written);
    if (told.place === fullName(account.table)) return [];
    return toldTable(tablesOf(data), told)
      ? [
          `select.${name}: ${told.location} has many rows of an account: each: ${written} tells the partner of each of them`,
        ]
      : [`select.${name}: ${told.location} is not the account's table, which is ${account.table}`];
  });
}

/** `each` names a column of a table, whose rows go. */
function wrongEach(data: Parsed, { each }: DeclaredPartner): string[] {
  if (each === undefined) return [];
  const told = splitTold(each);
  if (told.place === fullName(data.account.table))
    return [`each: ${told.location} has one row of an account: select: { name: ${each} } tells the partner of it`];
  const tables = tablesOf(data);
  if (toldTable(tables, told)) return [];
  const named = data.locations.some((l) => partnerOf(l) === told.location);
  return named
    ? [`each: ${told.location} is a partner, whose data has no rows here: name a table`]
    : [`each: there is no table ${told.location} under locations${orMeant(told.location, tables.map(locationName))}`];
}

/** `why`: what waits for the partner, so that it is asked before anything is deleted. */
function tooEarly(data: Parsed, { each, after = [] }: DeclaredPartner, why: string): string[] {
  const inside = insideOf(data);
  return [
    ...(each === undefined
      ? []
      : [
          `each: ${each} is known only when the rows go, and ${why} waits for the partner before any row goes: leave out before`,
        ]),
    ...after
      .filter((name) => inside.has(name))
      .map((name) => `after: ${name} is erased later than the partner is asked, since ${why} waits for it`),
  ];
}
