import { inspectForeignKeys } from '../catalog/inspect.ts';
import { qualified } from '../catalog/types.ts';
import { LetheError } from '../errors.ts';
import type { Context } from './context.ts';

/**
 * Refuses to go on when a foreign key that appeared after the start points at the account or a
 * location from a table that the catalog does not list: deleting would change its rows unseen.
 */
export async function refuseNewReferences(ctx: Context): Promise<void> {
  const listed = new Set(ctx.catalog.locations.map(qualified));
  const foreignKeys = await inspectForeignKeys(ctx.db, [ctx.catalog.account, ...ctx.catalog.locations]);
  const unknown = foreignKeys.find((fk) => !listed.has(fk.child));
  if (!unknown) return;
  throw new LetheError(
    'catalog_invalid',
    `${unknown.child} (${unknown.columns.join(', ')}) references ${unknown.parent} ON DELETE ${unknown.onDelete} and is not in the catalog`,
  );
}
