import { inspectTables } from '../../catalog/live/inspect.ts';
import { identifiers, qualified } from '../../catalog/live/names.ts';
import type { Catalog, TableName } from '../../catalog/live/types.ts';
import { LetheError } from '../../errors.ts';
import type { Executor } from '../../store/client.ts';

/** A table, by the name of its location, and the columns of it that are gone and that partners are told of. */
type Gone = { readonly name: string; readonly table: TableName; readonly columns: readonly string[] };

/** Tables whose rows must not go, since a column is gone that partners are told of. Asks nothing where they are told of none. */
export async function findGone(db: Executor, { account, tables, gathered }: Catalog): Promise<Gone[]> {
  const told = [{ ...account, name: account.table }, ...tables].filter(({ name }) => gathered.has(name));
  if (told.length === 0) return [];
  const facts = await inspectTables(db, told);
  return told.flatMap((table) => {
    const there = facts.get(qualified(table))?.columns;
    const columns = (gathered.get(table.name) ?? []).filter((column) => there && !(column in there));
    return columns.length > 0 ? [{ name: table.name, table, columns }] : [];
  });
}

/** Says what is gone, and that no row goes without it. */
export const goneError = ({ name, table, columns }: Gone): LetheError =>
  new LetheError(
    'catalog_invalid',
    `${qualified(table)} has no column ${identifiers(columns)}, which partners are told of before its rows go: mend that or the catalog, then restart, and replay`,
    { location: name },
  );
