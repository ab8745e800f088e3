import { checkAccount } from './checks/check-account.ts';
import { checkHolder } from './checks/check-holder.ts';
import { checkHooks } from './checks/check-hooks.ts';
import { hasOrder, lookUpWarning, orderWarning } from './checks/check-indexes.ts';
import { checkKey } from './checks/check-key.ts';
import { checkReference } from './checks/check-references.ts';
import { checkTable } from './checks/check-table.ts';
import { ignoredOf } from './checks/ignored.ts';
import { followKeys } from './checks/key-columns.ts';
import { orderTables } from './checks/order.ts';
import { type Declaration, type Problems, tablesOf } from './live/declared.ts';
import { describeForeignKey, type ForeignKey, type TableFacts } from './live/inspect.ts';
import { locationName, qualified, tableName } from './live/names.ts';
import type { Catalog, Hook, TableLocation } from './live/types.ts';

export type Resolution = Problems & { catalog?: Catalog };

/**
 * Compares the declared catalog with the live schema. Each of the checks has a file of its own. `foreignKeys` are
 * those that point at its tables, `allKeys` those of the whole database.
 */
export function resolveCatalog(
  declared: Declaration,
  facts: ReadonlyMap<string, TableFacts>,
  foreignKeys: readonly ForeignKey[],
  allKeys: readonly ForeignKey[],
  hooks: readonly Hook[] = [],
): Resolution {
  const problems: Problems = { errors: [], warnings: [] };
  const { errors, warnings } = problems;
  const accountTable = tableName(declared.account.table);
  const accountName = qualified(accountTable);
  const tables = tablesOf(declared).map((l) => ({ ...l, ...tableName(l.table), name: locationName(l) }));
  const byTable = new Map(tables.map((t) => [qualified(t), t]));

  const account = checkTable(accountName, facts.get(accountName), problems);
  const usable = new Map([...byTable.keys()].map((name) => [name, checkTable(name, facts.get(name), problems)]));
  const accountKey = account && checkAccount(declared, accountName, account, problems);
  const ours = hooks.filter((hook) => hook.table === accountName || byTable.has(hook.table));
  checkHooks(ours, declared.account.flag === undefined ? undefined : accountName, problems);
  const ignored = ignoredOf(declared);
  const believed = tables.map((t) => ({ table: qualified(t), column: t.account }));
  const owners = followKeys({ table: accountName, key: declared.account.key }, believed, allKeys);
  const names = { accountName, accountKey: declared.account.key, byTable, ignored };
  for (const fk of foreignKeys) {
    checkReference(fk, names, problems);
    const slow = byTable.has(fk.child) && lookUpWarning(usable.get(fk.child), fk);
    if (slow) warnings.push(slow);
  }

  const edges = foreignKeys
    .filter((fk) => byTable.has(fk.child) && byTable.has(fk.parent))
    .map((fk) => ({ child: fk.child, parent: fk.parent }));
  const { stages, cycles } = orderTables([...byTable.keys()], edges);
  for (const cycle of cycles) errors.push(`foreign keys form a cycle: ${[...cycle, cycle[0]].join(' → ')}`);

  const locations: TableLocation[] = [];
  for (const t of tables) {
    const name = qualified(t);
    const table = usable.get(name);
    const key = table && checkKey(name, table, table.primaryKey, errors, true);
    if (!table || !accountKey) continue;
    // The language names one column.
    const declaredHolder = { name: t.name, account: [t.account] };
    const holder = checkHolder(declaredHolder, table, { name: accountName, key: accountKey }, owners, ignored, errors);
    if (!key || !holder) continue;
    const leading = [...holder, ...key].map((c) => c.name);
    const ordered = hasOrder(table, leading);
    if (!ordered) warnings.push(orderWarning(table, leading));
    locations.push({
      kind: 'table',
      schema: t.schema,
      table: t.table,
      name: t.name,
      owner: t.owner,
      action: t.action,
      atRequest: t.at === 'request',
      slaMs: t.sla,
      account: holder,
      key,
      stage: stages.get(name) as number,
      ordered,
      children: foreignKeys
        .filter((fk) => fk.parent === name && byTable.has(fk.child))
        .map((fk) => ({
          constraint: fk.constraint,
          location: (byTable.get(fk.child) as { name: string }).name,
          columns: fk.columns,
          referenced: fk.referenced,
        })),
      guarded: foreignKeys.some(
        (fk) =>
          fk.enforced &&
          fk.child === name &&
          fk.parent === accountName &&
          holder.every((c) => fk.columns.includes(c.name)),
      ),
    });
  }
  if (errors.length > 0 || !accountKey || !account) return problems;
  locations.sort((a, b) => a.stage - b.stage || a.name.localeCompare(b.name));
  const { email, flag, created, hold, threshold } = declared.account;
  return {
    ...problems,
    catalog: {
      digest: declared.digest,
      account: {
        ...accountTable,
        key: accountKey,
        email,
        flag,
        created,
        hold: hold === undefined ? undefined : { name: hold, boolean: account.columns[hold]?.type === 'boolean' },
        threshold,
      },
      locations,
      tables: locations,
      references: foreignKeys.map(describeForeignKey),
      hooks: ours.filter((hook) => hook.event === 'DELETE'),
      ignored: [...ignored.tables],
    },
  };
}
