import { type Declaration, type DeclaredLocation, tablesOf } from '../../catalog/live/declared.ts';
import { inspectTables } from '../../catalog/live/inspect.ts';
import { fullName, locationName, tableName } from '../../catalog/live/names.ts';
import { orMeant } from '../../catalog/live/nearest.ts';
import { splitTold, toldTable } from '../../catalog/live/told.ts';
import type { Database } from '../../store/client.ts';
import type { AskedLocation } from '../asked.ts';
import type { Resolved } from '../kind.ts';
import { type DeclaredPacing, type DeclaredPartner, pacingOf } from './declare.ts';

/** The entries of one kind, and what it says of them. */
export type PartnersOf<A extends DeclaredPacing> = {
  readonly kind: string;
  readonly entries: readonly DeclaredPartner[];
  asksOf(entry: DeclaredLocation): A;
  byKeyAlone(entry: DeclaredPartner, account: AccountFacts): boolean;
  check(entry: DeclaredPartner, account: AccountFacts): string[];
};

/** What an entry may go by of the account's table. */
export type AccountFacts = {
  /** The column of the account's key. */
  readonly key: string;
  /** True for a column that may be null. */
  readonly nullable: (column: string) => boolean;
};

/**
 * Compares the partners of a catalog with the live schema: columns that they are told of must be there. One whose column is
 * gone stays, also where misfits are left out: then rows whose values cannot be kept for it are not deleted.
 */
export async function resolvePartners<A extends DeclaredPacing>(
  db: Database,
  declared: Declaration,
  of: PartnersOf<A>,
): Promise<Resolved<AskedLocation<A>>> {
  const errors: string[] = [];
  const tables = tablesOf(declared);
  const named = of.entries.length > 0 ? [declared.account, ...tables].map((t) => tableName(t.table)) : [];
  const facts = await inspectTables(db, named);
  const columnsOf = (table: string): ReadonlySet<string> =>
    new Set(Object.keys(facts.get(fullName(table))?.columns ?? {}));
  const { columns = {} } = facts.get(fullName(declared.account.table)) ?? {};
  const account = { key: declared.account.key, nullable: (column: string) => columns[column]?.notNull === false };
  const locations: AskedLocation<A>[] = [];
  for (const entry of of.entries) {
    const gone = (key: string, table: string, column: string): string[] => {
      const known = [...columnsOf(table)];
      return known.includes(column) ? [] : [`${key}: ${table} has no column ${column}${orMeant(column, known)}`];
    };
    const select = Object.fromEntries(
      Object.entries(entry.select ?? {}).map(([name, written]) => [name, splitTold(written).column]),
    );
    const each = entry.each === undefined ? null : splitTold(entry.each);
    // The language refuses what is no table.
    const told = each && toldTable(tables, each);
    const problems = [
      ...of.check(entry, account),
      ...Object.entries(select).flatMap(([name, column]) => gone(`select.${name}`, declared.account.table, column)),
      ...(told ? gone('each', told.table, each.column) : []),
    ];
    errors.push(...problems.map((words) => `${entry.partner}: ${words}`));
    const asks = of.asksOf(entry);
    locations.push({
      kind: of.kind,
      name: entry.partner,
      owner: entry.owner,
      action: entry.action,
      atRequest: false,
      slaMs: entry.sla,
      data: entry.data,
      stage: 0,
      guarded: true,
      pacing: pacingOf(asks),
      early: false,
      after: entry.after ?? [],
      before: entry.before ?? [],
      each: each && told ? { location: locationName(told), column: each.column } : null,
      select,
      byKeyAlone: of.byKeyAlone(entry, account),
      asks,
    });
  }
  return { errors, warnings: [], unusable: errors, locations };
}
