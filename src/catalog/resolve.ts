import { describeForeignKey, type ForeignKey, type TableFacts } from './inspect.ts';
import type { Declaration } from './load.ts';
import { orderTables } from './order.ts';
import {
  type Catalog,
  KEY_TYPES,
  type KeyColumns,
  type KeyType,
  type Location,
  qualified,
  type TableName,
} from './types.ts';

export type Resolution = { catalog?: Catalog; errors: string[]; warnings: string[] };

/** `posts` means `public.posts`: the search path is session state, which a pooler does not keep. */
export function tableName(text: string): TableName {
  const [first, second] = text.split('.') as [string, string?];
  return second === undefined ? { schema: 'public', table: first } : { schema: first, table: second };
}

const isKeyType = (type: string): type is KeyType => (KEY_TYPES as readonly string[]).includes(type);
const family = (type: KeyType) => (type === 'uuid' ? 'uuid' : 'integer');
export const changesRows = (fk: ForeignKey) => ['CASCADE', 'SET NULL', 'SET DEFAULT'].includes(fk.onDelete);
const startsWith = (index: { columns: string[] }, columns: readonly string[]) =>
  columns.every((column, i) => index.columns[i] === column);
const list = (columns: readonly string[]) => columns.join(', ');

/**
 * Compares the declared catalog with the live schema. Errors are all that could delete too much, too
 * little or unseen; warnings are what makes it slow or surprising, with the statement that helps.
 */
export function resolveCatalog(
  declared: Declaration,
  facts: ReadonlyMap<string, TableFacts>,
  foreignKeys: readonly ForeignKey[],
): Resolution {
  const errors: string[] = [];
  const warnings: string[] = [];
  const accountTable = tableName(declared.account.table);
  const accountName = qualified(accountTable);
  const tables = declared.locations.map((l) => ({ ...l, ...tableName(l.table), name: l.name ?? l.table }));
  const byTable = new Map(tables.map((t) => [qualified(t), t]));

  for (const name of [accountName, ...byTable.keys()]) checkTable(name, facts.get(name), errors, warnings);
  if (errors.length > 0) return { errors, warnings };

  const account = facts.get(accountName) as TableFacts;
  const accountKey = keyColumns(accountName, account, [declared.account.key], errors);
  if (
    accountKey &&
    list(account.primaryKey) !== declared.account.key &&
    !account.indexes.some((i) => i.unique && list(i.columns) === declared.account.key)
  ) {
    errors.push(
      `account.key: ${accountName}.${declared.account.key} is neither the primary key nor unique: one request would erase several accounts`,
    );
  }
  checkAccountColumns(declared, accountName, account, errors);
  const ignored = new Set((declared.ignore ?? []).map((t) => qualified(tableName(t.table))));
  for (const fk of foreignKeys) {
    if (ignored.has(fk.child) && !byTable.has(fk.child)) checkIgnored(fk, errors, warnings);
    else checkForeignKey(fk, accountName, declared.account.key, byTable, errors, warnings, facts);
  }

  const edges = foreignKeys
    .filter((fk) => byTable.has(fk.child) && byTable.has(fk.parent))
    .map((fk) => ({ child: fk.child, parent: fk.parent }));
  const order = orderTables([...byTable.keys()], edges);
  if ('cycle' in order) errors.push(`foreign keys form a cycle: ${[...order.cycle, order.cycle[0]].join(' → ')}`);

  const locations: Location[] = [];
  for (const t of tables) {
    const name = qualified(t);
    const table = facts.get(name) as TableFacts;
    const key = keyColumns(name, table, table.primaryKey, errors, true);
    const holder = table.columns[t.account];
    if (!holder) errors.push(`locations.${t.name}: ${name} has no column ${t.account}`);
    if (!key || !holder || !accountKey || 'cycle' in order) continue;
    const type = accountKey[0].type;
    if (!isKeyType(holder.type) || family(holder.type) !== family(type)) {
      errors.push(
        `locations.${t.name}: ${name}.${t.account} is ${holder.type}, but ${accountName}.${accountKey[0].name} is ${type}`,
      );
      continue;
    }
    const leading = [t.account, ...key.map((c) => c.name)];
    const ordered = table.indexes.some((index) => startsWith(index, leading));
    if (!ordered) {
      warnings.push(
        `${name}: no index leads with (${list(leading)}), so each slice reads too much: CREATE INDEX CONCURRENTLY ON ${name} (${list(leading)})`,
      );
    }
    locations.push({
      schema: t.schema,
      table: t.table,
      name: t.name,
      owner: t.owner,
      action: t.action,
      atRequest: t.at === 'request',
      slaMs: t.sla,
      account: [{ name: t.account, type }],
      key,
      stage: order.stages.get(name) as number,
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
        (fk) => fk.enforced && fk.child === name && fk.parent === accountName && fk.columns.includes(t.account),
      ),
    });
  }
  if (errors.length > 0 || !accountKey) return { errors, warnings };
  locations.sort((a, b) => a.stage - b.stage || a.name.localeCompare(b.name));
  const { email, flag, created, hold, threshold } = declared.account;
  return {
    errors,
    warnings,
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
      references: foreignKeys.map(describeForeignKey),
    },
  };
}

function checkTable(name: string, table: TableFacts | undefined, errors: string[], warnings: string[]): void {
  if (!table) {
    errors.push(`${name}: there is no such table`);
    return;
  }
  if (table.kind !== 'r' && table.kind !== 'p') errors.push(`${name}: is not a table`);
  if (!table.schemaUsage) {
    const schema = name.slice(0, name.indexOf('.'));
    errors.push(`${name}: missing grant: GRANT USAGE ON SCHEMA ${schema} TO the role that Lethe connects as`);
  }
  if (table.missingGrants.length > 0) {
    errors.push(
      `${name}: missing grant: GRANT ${list(table.missingGrants)} ON ${name} TO the role that Lethe connects as (FOR UPDATE needs UPDATE)`,
    );
  }
  if (table.rowSecurity) {
    errors.push(
      `${name}: row level security is active for this role and would hide rows: connect as a role with BYPASSRLS`,
    );
  }
  if (table.triggers.length > 0)
    warnings.push(`${name}: delete triggers will run for every row: ${list(table.triggers)}`);
  if (table.rules.length > 0) warnings.push(`${name}: delete rules rewrite the statements: ${list(table.rules)}`);
}

function checkAccountColumns(declared: Declaration, name: string, table: TableFacts, errors: string[]): void {
  const { email, flag, created, hold } = declared.account;
  for (const [role, column] of Object.entries({ email, flag, created, hold })) {
    if (column === undefined) continue;
    const found = table.columns[column];
    if (!found) errors.push(`account.${role}: ${name} has no column ${column}`);
    else if (role !== 'email' && role !== 'hold' && !found.type.startsWith('timestamp')) {
      errors.push(`account.${role}: ${name}.${column} is ${found.type}, expected a timestamp`);
    }
  }
}

const reference = (fk: ForeignKey) =>
  `${fk.child} (${list(fk.columns)}) references ${fk.parent} ON DELETE ${fk.onDelete}`;

/** The error about a foreign key from a table that the catalog does not know. */
export const unlistedError = (fk: ForeignKey): string =>
  `${reference(fk)} and is not in the catalog: add it under locations, with the column that holds the account's key`;

/** An ignored table may stand in the way of an erasure, but must not be changed by one. */
function checkIgnored(fk: ForeignKey, errors: string[], warnings: string[]): void {
  if (changesRows(fk)) {
    errors.push(
      `${reference(fk)} and is under ignore, but its rows would be changed unseen: list it under locations, or change the foreign key to NO ACTION`,
    );
  } else warnings.push(`${reference(fk)} and is under ignore: such rows stop the erasure with an error`);
}

function checkForeignKey(
  fk: ForeignKey,
  accountName: string,
  accountKey: string,
  byTable: ReadonlyMap<string, { account: string }>,
  errors: string[],
  warnings: string[],
  facts: ReadonlyMap<string, TableFacts>,
): void {
  const what = reference(fk);
  if (fk.parent !== accountName && !byTable.has(fk.parent)) {
    errors.push(`${what}, a partition: a foreign key must point at the whole table`);
    return;
  }
  const listed = byTable.get(fk.child);
  if (!listed && fk.child !== accountName) {
    errors.push(unlistedError(fk));
    return;
  }
  if (fk.child === accountName) {
    errors.push(`${what}: the account table must not reference what is erased with it`);
    return;
  }
  const holder = fk.columns.indexOf((listed as { account: string }).account);
  if (fk.parent === accountName && holder >= 0 && fk.referenced[holder] !== accountKey) {
    // Its values are another column's: equal numbers would be somebody else's rows.
    errors.push(`${what} (${list(fk.referenced)}), but the catalog's account key is ${accountKey}`);
  }
  if (fk.parent === accountName && !fk.columns.includes((listed as { account: string }).account)) {
    const text = `${what}, but the catalog's account column there is ${(listed as { account: string }).account}`;
    if (changesRows(fk)) errors.push(`${text}: rows of other accounts would be changed unseen`);
    else warnings.push(`${text}: such rows of other accounts stop the erasure with an error`);
  }
  const child = facts.get(fk.child);
  if (
    child &&
    !child.indexes.some((index) => fk.columns.every((c) => index.columns.slice(0, fk.columns.length).includes(c)))
  ) {
    warnings.push(
      `${what} without an index, so deleting a parent reads the whole table: CREATE INDEX CONCURRENTLY ON ${fk.child} (${list(fk.columns)})`,
    );
  }
}

function keyColumns(
  name: string,
  table: TableFacts,
  columns: readonly string[],
  errors: string[],
  primary = false,
): KeyColumns | undefined {
  const [column, ...more] = columns;
  if (column === undefined) {
    errors.push(`${name}: has no primary key`);
    return undefined;
  }
  const found = table.columns[column];
  if (!found) {
    errors.push(`account.key: ${name} has no column ${column}`);
    return undefined;
  }
  if (more.length > 0)
    errors.push(`${name}: the key (${list(columns)}) has several columns, which this version does not support`);
  if (!found.notNull) errors.push(`${name}.${column}: a key column must be NOT NULL`);
  if (!isKeyType(found.type)) {
    errors.push(
      `${name}.${column}: a ${primary ? 'primary key' : 'key'} of type ${found.type} is not supported; expected one of ${list(KEY_TYPES)}`,
    );
    return undefined;
  }
  return [{ name: column, type: found.type }];
}
