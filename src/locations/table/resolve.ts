import { checkAccount } from '../../catalog/checks/check-account.ts';
import { checkHolder } from '../../catalog/checks/check-holder.ts';
import { checkHooks } from '../../catalog/checks/check-hooks.ts';
import { hasOrder, lookUpWarning, orderWarning } from '../../catalog/checks/check-indexes.ts';
import { checkKey } from '../../catalog/checks/check-key.ts';
import { checkReference } from '../../catalog/checks/check-references.ts';
import { checkTable } from '../../catalog/checks/check-table.ts';
import { type Ignored, ignoredOf } from '../../catalog/checks/ignored.ts';
import { followKeys, type KeyOwners } from '../../catalog/checks/key-columns.ts';
import { orderTables } from '../../catalog/checks/order.ts';
import { type Declaration, type DeclaredTable, type Problems, tablesOf } from '../../catalog/live/declared.ts';
import { describeForeignKey, type ForeignKey, type TableFacts } from '../../catalog/live/inspect.ts';
import { fullName, locationName, qualified, tableName } from '../../catalog/live/names.ts';
import type { Hook, Reference, TableLocation, TableName } from '../../catalog/live/types.ts';
import type { KeyColumns } from '../../keys/types.ts';
import type { Kept } from '../kind.ts';

/** What the database says about the tables of a catalog. Facts by `qualified` names. */
export type LiveSchema = {
  readonly facts: ReadonlyMap<string, TableFacts>;
  /** Foreign keys that point at the catalog's tables, from anywhere. */
  readonly onto: readonly ForeignKey[];
  /** Those of the whole database. */
  readonly all: readonly ForeignKey[];
  readonly hooks: readonly Hook[];
};

/** `kept` is absent when there are errors. The locations are then those that can be told in spite of them. */
export type ResolvedTables = Problems & { locations: TableLocation[]; kept?: Kept };

type Listed = DeclaredTable & TableName & { name: string };

/** What each question needs. */
type Case = {
  readonly declared: Declaration;
  readonly live: LiveSchema;
  /** The account's table, as `qualified` has it. */
  readonly accountName: string;
  /** The listed tables, by their `qualified` names. */
  readonly listed: ReadonlyMap<string, Listed>;
  /** Facts of the tables that can be looked at; undefined for others. */
  readonly usable: ReadonlyMap<string, TableFacts | undefined>;
  readonly ignored: Ignored;
  readonly problems: Problems;
};

/** Compares the declared tables with the live schema. Each of the checks has a file of its own in `catalog/checks`. */
export function resolveTables(declared: Declaration, live: LiveSchema): ResolvedTables {
  const problems: Problems = { errors: [], warnings: [] };
  const accountName = fullName(declared.account.table);
  const listed = new Map(
    tablesOf(declared).map((t) => {
      const table = { ...t, ...tableName(t.table), name: locationName(t) };
      return [qualified(table), table] as const;
    }),
  );
  const account = checkTable(accountName, live.facts.get(accountName), problems);
  const usable = new Map([...listed.keys()].map((name) => [name, checkTable(name, live.facts.get(name), problems)]));
  const of: Case = { declared, live, accountName, listed, usable, ignored: ignoredOf(declared), problems };
  const accountKey = account && checkAccount(declared, accountName, account, problems);
  const hooks = live.hooks.filter((hook) => hook.table === accountName || listed.has(hook.table));
  checkHooks(hooks, declared.account.flag === undefined ? undefined : accountName, problems);
  checkReferences(of);
  const stages = stagesOf(of);
  const owners = ownersOf(of);
  const locations = [...listed].flatMap(
    ([name, table]) => locationFor(of, table, { accountKey, owners, stage: stages.get(name) as number }) ?? [],
  );
  if (problems.errors.length > 0 || !accountKey || !account) return { ...problems, locations };
  const kept: Kept = {
    account: accountTable(declared, accountKey, account),
    references: live.onto.map(describeForeignKey),
    hooks: hooks.filter((hook) => hook.event === 'DELETE'),
    ignored: [...of.ignored.tables],
  };
  return { ...problems, locations, kept };
}

/** The account's table, whose key and columns were found. */
function accountTable({ account }: Declaration, key: KeyColumns, facts: TableFacts): Kept['account'] {
  const { email, flag, created, hold, threshold } = account;
  const holds = hold === undefined ? undefined : { name: hold, boolean: facts.columns[hold]?.type === 'boolean' };
  return { ...tableName(account.table), key, email, flag, created, hold: holds, threshold };
}

/** What the foreign keys onto the tables would delete or change, and how they find their rows. */
function checkReferences({ declared, live, accountName, listed, usable, ignored, problems }: Case): void {
  const names = { accountName, accountKey: declared.account.key, byTable: listed, ignored };
  for (const fk of live.onto) {
    checkReference(fk, names, problems);
    const slow = listed.has(fk.child) && lookUpWarning(usable.get(fk.child), fk);
    if (slow) problems.warnings.push(slow);
  }
}

/** When each table is erased: children before parents. A cycle is an error. */
function stagesOf({ live, listed, problems }: Case): ReadonlyMap<string, number> {
  const edges = live.onto
    .filter((fk) => listed.has(fk.child) && listed.has(fk.parent))
    .map((fk) => ({ child: fk.child, parent: fk.parent }));
  const { stages, cycles } = orderTables([...listed.keys()], edges);
  for (const cycle of cycles) problems.errors.push(`foreign keys form a cycle: ${[...cycle, cycle[0]].join(' → ')}`);
  return stages;
}

/** Which columns hold the account's key, by all foreign keys of the database. */
function ownersOf({ declared, live, accountName, listed }: Case): KeyOwners {
  const believed = [...listed].map(([table, { account }]) => ({ table, column: account }));
  return followKeys({ table: accountName, key: declared.account.key }, believed, live.all);
}

/** One table as a location, or undefined with errors. `stage`: of `stagesOf`. */
function locationFor(
  of: Case,
  t: Listed,
  known: { accountKey: KeyColumns | undefined; owners: KeyOwners; stage: number },
): TableLocation | undefined {
  const { errors, warnings } = of.problems;
  const name = qualified(t);
  const table = of.usable.get(name);
  const key = table && checkKey(name, table, table.primaryKey, errors, true);
  if (!table || !known.accountKey) return undefined;
  const holder = holderOf(of, t, table, { key: known.accountKey, owners: known.owners });
  if (!key || !holder) return undefined;
  const leading = [...holder, ...key].map((c) => c.name);
  const ordered = hasOrder(table, leading);
  if (!ordered) warnings.push(orderWarning(table, leading));
  return {
    kind: 'table',
    schema: t.schema,
    table: t.table,
    name: t.name,
    owner: t.owner,
    action: t.action,
    atRequest: t.at === 'request',
    slaMs: t.sla,
    data: t.data,
    account: holder,
    key,
    stage: known.stage,
    ordered,
    children: childrenOf(of, name),
    guarded: isGuarded(of, name, holder),
  };
}

/** The columns that hold the account's key. The language names one. */
function holderOf(
  { accountName, ignored, problems }: Case,
  { name, account }: Listed,
  table: TableFacts,
  { key, owners }: { key: KeyColumns; owners: KeyOwners },
): KeyColumns | undefined {
  const declared = { name, account: [account] };
  return checkHolder(declared, table, { account: { name: accountName, key }, owners, ignored }, problems.errors);
}

/** The foreign keys of listed tables onto this one. */
const childrenOf = ({ live, listed }: Case, table: string): Reference[] =>
  live.onto.flatMap((fk) => {
    const child = listed.get(fk.child);
    if (fk.parent !== table || !child) return [];
    const { constraint, columns, referenced } = fk;
    return [{ constraint, location: child.name, columns, referenced }];
  });

/** True when a foreign key that the server enforces ties all of the account's columns to the account's row. */
const isGuarded = ({ live, accountName }: Case, table: string, holder: KeyColumns): boolean =>
  live.onto.some(
    (fk) =>
      fk.enforced &&
      fk.child === table &&
      fk.parent === accountName &&
      holder.every((c) => fk.columns.includes(c.name)),
  );
