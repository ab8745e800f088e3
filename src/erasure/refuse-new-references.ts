import { sql } from 'drizzle-orm';
import { describeForeignKey, inspectForeignKeys } from '../catalog/inspect.ts';
import type { Catalog, TableName } from '../catalog/types.ts';
import type { Executor } from '../db/client.ts';
import { keptText } from '../db/kept-text.ts';
import { quoted } from '../erasers/sql.ts';
import { LetheError } from '../errors.ts';

/** Fingerprints that were found to be in order, by catalog. */
const known = new WeakMap<Catalog, Set<string>>();
const MOST_KNOWN = 20;
const texts = {};

/**
 * Refuses to go on when a foreign key that was not there at the start points at one of `tables` (all
 * of the catalog's): what it deletes or changes would be changed unseen. A restart checks the catalog anew.
 */
export async function refuseNewReferences(
  db: Executor,
  catalog: Catalog,
  tables: readonly TableName[] = [catalog.account, ...catalog.locations],
): Promise<void> {
  const fingerprint = await readFingerprint(db, tables);
  const inOrder = known.get(catalog) ?? new Set();
  if (inOrder.has(fingerprint)) return;
  const found = (await inspectForeignKeys(db, tables)).map(describeForeignKey);
  const unknown = found.find((text) => !catalog.references.includes(text));
  if (unknown !== undefined)
    throw new LetheError(
      'catalog_invalid',
      `${unknown} and was not there when the catalog was checked: restart to check it`,
    );
  if (inOrder.size >= MOST_KNOWN) inOrder.clear();
  known.set(catalog, inOrder.add(fingerprint));
}

/**
 * Changes with every foreign key that the server checks: each has triggers of its own on the table that it
 * points at. Two look-ups by index, where reading the keys themselves takes milliseconds of each request.
 */
async function readFingerprint(db: Executor, tables: readonly TableName[]): Promise<string> {
  // As text: the driver sends an array only after it has asked for its type, in a round trip of its own.
  const names = JSON.stringify(tables.map((t) => `${quoted(t.schema)}.${quoted(t.table)}`));
  const statement = keptText(
    texts,
    'fingerprint',
    { names },
    (slots) => sql`
    WITH RECURSIVE listed (oid) AS (
      SELECT to_regclass(v.name)::oid FROM jsonb_array_elements_text(${slots.names}::jsonb) AS v (name)
      UNION SELECT i.inhrelid FROM pg_inherits i JOIN listed ON i.inhparent = listed.oid)
    SELECT concat_ws(' ', (SELECT string_agg(coalesce(oid, 0)::text, ',' ORDER BY oid) FROM listed),
             (SELECT string_agg(t.oid::text, ',' ORDER BY t.oid) FROM pg_trigger t JOIN listed l ON t.tgrelid = l.oid
               WHERE t.tgisinternal)) AS fingerprint`,
  );
  const [row] = await db.execute<{ fingerprint: string }>(statement);
  return row?.fingerprint ?? '';
}
