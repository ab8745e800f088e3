import { checkPublications } from '../../catalog/checks/check-publications.ts';
import { type Declaration, tablesOf } from '../../catalog/live/declared.ts';
import { inspectForeignKeys, inspectTables } from '../../catalog/live/inspect.ts';
import { inspectHooks } from '../../catalog/live/inspect-hooks.ts';
import { tableName } from '../../catalog/live/names.ts';
import type { TableLocation } from '../../catalog/live/types.ts';
import type { Database } from '../../store/client.ts';
import type { Resolved } from '../kind.ts';
import { leaveOut } from './leave-out.ts';
import { type LiveSchema, resolveTables } from './resolve.ts';

/**
 * Compares the declared tables, and the account's, with the live schema. Where misfits are left out, the server is also
 * asked what publications refuse: that keeps every table from being erased.
 */
export async function compareTables(
  db: Database,
  declared: Declaration,
  { leaveOutMisfits }: { leaveOutMisfits: boolean },
): Promise<Resolved<TableLocation>> {
  const live = await inspectLive(db, declared);
  if (!leaveOutMisfits) {
    const found = resolveTables(declared, live);
    return { ...found, unusable: found.errors };
  }
  const found = leaveOut(declared, live);
  const refused = await checkPublications(db, declared);
  return { ...found, errors: [...found.errors, ...refused], unusable: [...found.unusable, ...refused] };
}

async function inspectLive(db: Database, declared: Declaration): Promise<LiveSchema> {
  const tables = [declared.account, ...tablesOf(declared)].map(({ table }) => tableName(table));
  const facts = await inspectTables(db, tables);
  const hooks = await inspectHooks(db, tables);
  const onto = await inspectForeignKeys(db, tables);
  return { facts, hooks, onto, all: await inspectForeignKeys(db) };
}
