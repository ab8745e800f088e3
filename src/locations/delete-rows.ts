import { type SQL, sql } from 'drizzle-orm';
import type { Catalog } from '../catalog/live/types.ts';
import { affected } from '../store/affected.ts';
import type { Transaction } from '../store/client.ts';
import { quoted } from '../store/quoted.ts';
import { gather } from './gathered.ts';

/** Rows whose values partners are told of: `from` is the name of their location, or of the account's table. */
export type Told = { readonly from: string; readonly columns: readonly string[] | undefined };

/** What of the rows of `from` must be kept when they go. */
export const toldOf = (catalog: Pick<Catalog, 'gathered'>, from: string): Told => ({
  from,
  columns: catalog.gathered.get(from),
});

/**
 * The end of a DELETE from `t`: the values that partners are told of, as the database prints them. It returns each row
 * as it was deleted, also one that was changed while the statement waited for it. Nothing where nobody is told.
 */
export const returning = ({ columns }: Told): SQL =>
  columns
    ? sql.raw(` RETURNING ${columns.map((name) => `t.${quoted(name)}::text AS ${quoted(name)}`).join(', ')}`)
    : sql``;

/** The name of a text that is kept and ends with `returning`. */
export const textFor = (name: string, { columns }: Told): string =>
  columns ? `${name} returning ${JSON.stringify(columns)}` : name;

/** Runs a DELETE that ends with `returning`, and keeps what it returns. Returns how many rows went. */
export async function deleteRows(tx: Transaction, told: Told, statement: SQL): Promise<number> {
  if (!told.columns) return affected(tx, statement);
  const rows = await tx.execute<Record<string, string | null>>(statement);
  gather(tx, told.from, [...rows]);
  return rows.length;
}
