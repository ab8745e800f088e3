import { insteadError } from '../../../catalog/checks/check-hooks.ts';
import { inspectHooks } from '../../../catalog/live/inspect-hooks.ts';
import { qualified } from '../../../catalog/live/names.ts';
import type { Catalog, Hook, TableName } from '../../../catalog/live/types.ts';
import { LetheError } from '../../../errors.ts';
import type { Executor } from '../../../store/client.ts';

/** What was found later than the catalog was checked. */
const learned = new WeakMap<Catalog, readonly Hook[]>();

/** Triggers and rules that a deletion from the catalog's tables sets off, as far as this process knows. */
export const hooksOf = (catalog: Catalog): readonly Hook[] => learned.get(catalog) ?? catalog.hooks;

/** True when a deletion sets something off that may delete or write other rows. */
export const isHooked = (catalog: Catalog): boolean => hooksOf(catalog).length > 0;

/** True when something can turn the deletion of a row of this table into nothing. */
export const isVetoed = (catalog: Catalog, table: TableName): boolean =>
  hooksOf(catalog).some((hook) => hook.vetoes && hook.table === qualified(table));

/** Looks anew at what deletions from `tables` set off. Throws `catalog_invalid` for a rule that takes the place of one. */
export async function findHooks(db: Executor, tables: readonly TableName[]): Promise<Hook[]> {
  const found = (await inspectHooks(db, tables)).filter((hook) => hook.event === 'DELETE');
  const instead = found.find((hook) => hook.kind === 'rule' && hook.vetoes);
  if (instead) throw new LetheError('catalog_invalid', insteadError(instead));
  return found;
}

/** Goes by `found` for `tables` from now on. */
export function learnHooks(catalog: Catalog, tables: readonly TableName[], found: readonly Hook[]): void {
  const names = new Set(tables.map(qualified));
  const before = hooksOf(catalog);
  const said = (hooks: readonly Hook[]) => JSON.stringify(hooks.map((hook) => JSON.stringify(hook)).sort());
  if (said(found) === said(before.filter((hook) => names.has(hook.table)))) return;
  learned.set(catalog, [...before.filter((hook) => !names.has(hook.table)), ...found]);
}

/** What running transactions go by, each from its first deletion on. */
const gone = new WeakMap<Executor, readonly Hook[]>();

/** The transaction deletes from now on by what is known, and must not be committed when that was wrong. */
export const goByHooks = (tx: Executor, catalog: Catalog): void => void gone.set(tx, hooksOf(catalog));

/** True when a transaction went by triggers and rules that have changed meanwhile. */
export const wentByOthers = (tx: Executor, catalog: Catalog): boolean =>
  gone.has(tx) && gone.get(tx) !== hooksOf(catalog);
