import { sql } from 'drizzle-orm';
import { describeForeignKey, type ForeignKey, inspectForeignKeys } from '../../catalog/live/inspect.ts';
import { qualified } from '../../catalog/live/names.ts';
import type { Catalog, Hook, TableName } from '../../catalog/live/types.ts';
import { LetheError } from '../../errors.ts';
import type { KeyValue } from '../../keys/types.ts';
import type { Database, Executor } from '../../store/client.ts';
import { keptText } from '../../store/kept-text.ts';
import { quoted } from '../../store/quoted.ts';
import { sanitize, sqlState } from '../../store/sql-errors.ts';
import { Again } from '../../store/transaction.ts';
import { findGone, goneError } from './gone-columns.ts';
import { findHooks, learnHooks, wentByOthers } from './rows/hooks.ts';
import { findRemaining } from './rows/probe.ts';

/** Foreign keys that the catalog does not know (none where all is in order), and the triggers and rules. */
type Found = { unknown: readonly ForeignKey[]; hooks: readonly Hook[] };
/** What was found, by catalog and fingerprint. */
const known = new WeakMap<Catalog, Map<string, Found>>();
const MOST_KNOWN = 20;
const texts = {};

/** Whether a foreign key onto this table (as `qualified` names it) concerns an erasure. */
export type Concerns = (table: string) => unknown;

/**
 * Refuses to go on when a foreign key that the catalog does not know points at one of `tables` (all of the catalog's).
 * The key must concern this erasure. What it deletes or changes would be changed unseen. It appeared since the start,
 * or the process has started in spite of it, so that erasures that it does not concern go on. Triggers and rules that
 * came or went need no restart: a transaction that went by others begins again.
 */
export async function refuseNewReferences(
  db: Executor,
  catalog: Catalog,
  {
    tables = [catalog.account, ...catalog.tables],
    concerns = () => true,
  }: { tables?: readonly TableName[]; concerns?: Concerns } = {},
): Promise<void> {
  const { unknown, hooks } = await look(db, catalog, tables);
  learnHooks(catalog, tables, hooks);
  for (const fk of unknown) {
    if (!(await concerns(fk.parent))) continue;
    const listed = catalog.tables.some((l) => qualified(l) === fk.child);
    const help = listed
      ? 'was not there when the catalog was checked: restart to check it, then replay'
      : 'is not in the catalog: add it to the catalog, then restart, and replay';
    throw new LetheError('catalog_invalid', `${describeForeignKey(fk)} and ${help}`);
  }
  if (wentByOthers(db, catalog)) throw new Again('triggers or rules have changed');
}

async function look(db: Executor, catalog: Catalog, tables: readonly TableName[]): Promise<Found> {
  const fingerprint = await readFingerprint(db, tables);
  const looked = known.get(catalog) ?? new Map<string, Found>();
  const seen = looked.get(fingerprint);
  if (seen) return seen;
  const foreignKeys = await inspectForeignKeys(db, tables);
  const unknown = foreignKeys.filter((fk) => !catalog.references.includes(describeForeignKey(fk)));
  const found = { unknown, hooks: await findHooks(db, tables) };
  if (looked.size >= MOST_KNOWN) looked.clear();
  known.set(catalog, looked.set(fingerprint, found));
  return found;
}

/**
 * The cause of a failed transaction. A foreign key that nobody knew of is named, instead of the row that it refused. So is a
 * column that is gone and that partners are told of.
 */
export async function causeOf(db: Database, catalog: Catalog, error: unknown): Promise<LetheError> {
  if (sqlState(error) === '42703') {
    const [gone] = await findGone(db, catalog);
    if (gone) return goneError(gone);
  }
  if (sqlState(error) !== '23503') return sanitize(error);
  return refuseNewReferences(db, catalog).then(() => sanitize(error), sanitize);
}

/** A foreign key concerns whoever has rows in the table that it points at; that of the account, everybody. */
export const whereRowsAre =
  (db: Executor, catalog: Catalog, account: KeyValue): Concerns =>
  async (table) => {
    const location = catalog.tables.find((l) => qualified(l) === table);
    return !location || (await findRemaining(db, [location], account)).length > 0;
  };

/** A foreign key concerns those who have deleted rows that it may point at. */
export const whereRowsWent =
  (catalog: Catalog, rows: ReadonlyMap<string, number>): Concerns =>
  (table) => {
    const location = catalog.tables.find((l) => qualified(l) === table);
    return !location || (rows.get(location.name) ?? 0) > 0;
  };

/**
 * Changes with every foreign key that the server checks: each has triggers of its own on the table that it
 * points at. So do the application's own triggers and rules for deletions. Look-ups by index, where reading the keys
 * themselves takes milliseconds of each request.
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
             (SELECT string_agg(t.oid::text || t.tgenabled::text, ',' ORDER BY t.oid) FROM pg_trigger t JOIN listed l ON t.tgrelid = l.oid
               WHERE t.tgisinternal OR t.tgtype & 8 <> 0),
             (SELECT string_agg(r.oid::text || r.ev_enabled::text, ',' ORDER BY r.oid) FROM pg_rewrite r JOIN listed l ON r.ev_class = l.oid
               WHERE r.ev_type = '4')) AS fingerprint`,
  );
  const [row] = await db.execute<{ fingerprint: string }>(statement);
  return row?.fingerprint ?? '';
}
