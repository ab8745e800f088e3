import { and, eq, inArray, sql } from 'drizzle-orm';
import type { TableLocation } from '../../catalog/live/types.ts';
import type { KeyValue } from '../../keys/types.ts';
import type { Transaction } from '../../store/client.ts';
import { task } from '../../store/schema.ts';
import type { KindContext, PassOf, Planned } from '../kind.ts';
import { countAll } from './rows/probe.ts';
import { planRanges } from './rows/ranges.ts';

/** Cuts the account's rows of a location into chunks, inside the database. */
export async function planTable(
  tx: Transaction,
  ctx: KindContext,
  location: TableLocation,
  account: KeyValue,
  of: PassOf,
): Promise<Planned> {
  const chunkRows = await chunkRowsOf(tx, ctx, location, account, of);
  return planRanges(tx, location, account, { ...of, chunkRows });
}

/**
 * Rows of one chunk of a location with `rows` rows above `below` rows. A parent takes as long as the entries of its
 * deleted children that the foreign key walks past. Each takes half of what deleting a row takes. Without them 300
 * feeds of a million posts would be one chunk.
 */
export const rowsPerChunk = (chunkRows: number, rows: number, below: number): number =>
  Math.max(1, Math.floor(chunkRows / (1 + below / 2 / Math.max(1, rows))));

async function chunkRowsOf(
  tx: Transaction,
  { settings }: KindContext,
  location: TableLocation,
  account: KeyValue,
  { erasureId }: PassOf,
): Promise<number> {
  if (location.children.length === 0) return settings.chunkRows;
  const children = location.children.map((reference) => reference.location);
  const [planned] = await tx
    .select({ rows: sql<number>`coalesce(sum(rows_planned), 0)::numeric` })
    .from(task)
    .where(and(eq(task.erasureId, erasureId), inArray(task.location, children)));
  return rowsPerChunk(settings.chunkRows, await countAll(tx, location, account), planned?.rows ?? 0);
}
