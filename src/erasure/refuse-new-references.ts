import { describeForeignKey, inspectForeignKeys } from '../catalog/inspect.ts';
import type { Catalog, TableName } from '../catalog/types.ts';
import type { Executor } from '../db/client.ts';
import { LetheError } from '../errors.ts';

/**
 * Refuses to go on when a foreign key that was not there at the start points at one of `tables` (all
 * of the catalog's): what it deletes or changes would be changed unseen. A restart checks the catalog anew.
 */
export async function refuseNewReferences(
  db: Executor,
  catalog: Catalog,
  tables: readonly TableName[] = [catalog.account, ...catalog.locations],
): Promise<void> {
  const found = (await inspectForeignKeys(db, tables)).map(describeForeignKey);
  const unknown = found.find((text) => !catalog.references.includes(text));
  if (unknown === undefined) return;
  throw new LetheError(
    'catalog_invalid',
    `${unknown} and was not there when the catalog was checked: restart to check it`,
  );
}
