import { type Declaration, type DeclaredLocation, tablesOf } from '../../catalog/live/declared.ts';
import { inspectTables } from '../../catalog/live/inspect.ts';
import { fullName, identifier, locationName, nameParts, tableName } from '../../catalog/live/names.ts';
import type { Database } from '../../store/client.ts';
import type { AskedLocation } from '../asked.ts';
import type { Resolved } from '../kind.ts';
import { type DeclaredPartner, pacingOf } from './declare.ts';

/** The entries of one kind, and what it says of them. */
export type PartnersOf<A> = {
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

/** `location.column` in its two parts, as they are compared. */
const split = (written: string): { of: string; column: string } => {
  const parts = nameParts(written, 3) ?? [];
  return { of: parts.slice(0, -1).join('.'), column: parts.at(-1) as string };
};

/** Compares the partners of a catalog with the live schema: columns that they are told of must be there. */
export async function resolvePartners<A>(
  db: Database,
  declared: Declaration,
  { leaveOutMisfits }: { leaveOutMisfits: boolean },
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
    const problems: string[] = of.check(entry, account).map((words) => `${entry.partner}: ${words}`);
    const select: Record<string, string> = {};
    for (const [name, written] of Object.entries(entry.select ?? {})) {
      const { of: table, column } = split(written);
      if (fullName(table.split('.').map(identifier).join('.')) !== fullName(declared.account.table))
        problems.push(
          `${entry.partner}: select.${name}: ${table} is not the account's table; with each: the partner is told of a location's rows`,
        );
      else if (!columnsOf(declared.account.table).has(column))
        problems.push(`${entry.partner}: select.${name}: ${declared.account.table} has no column ${column}`);
      select[name] = column;
    }
    const each = entry.each === undefined ? null : split(entry.each);
    const told = each && tables.find((t) => locationName(t) === each.of);
    if (each && !told) problems.push(`${entry.partner}: each: ${each.of} is not a location that is a table`);
    else if (each && told && !columnsOf(told.table).has(each.column))
      problems.push(`${entry.partner}: each: ${told.table} has no column ${each.column}`);
    errors.push(...problems);
    if (problems.length > 0 && leaveOutMisfits) continue;
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
      pacing: pacingOf(asks as unknown as Parameters<typeof pacingOf>[0]),
      early: false,
      after: entry.after ?? [],
      before: entry.before ?? [],
      each: each && { location: each.of, column: each.column },
      select,
      byKeyAlone: of.byKeyAlone(entry, account),
      asks,
    });
  }
  return { errors, warnings: [], unusable: errors, locations };
}
