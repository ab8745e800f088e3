import { sql } from 'drizzle-orm';
import type { TableLocation } from '../../catalog/live/types.ts';
import type { KeyValue } from '../../keys/types.ts';
import { isContended } from '../../store/sql-errors.ts';
import { transaction } from '../../store/transaction.ts';
import type { Estimated, KindContext } from '../kind.ts';
import { rowsPerChunk } from './plan.ts';
import { countAll } from './rows/probe.ts';

/** Counting reads an index from end to end; a snapshot that lives for longer would keep the server from cleaning up. */
const COUNTING = { statementMs: 60_000, lockMs: 2_000 } as const;

/** Rows and chunks of each table, counted in transactions of their own that are READ ONLY. */
export async function estimateTables(
  ctx: Pick<KindContext, 'db' | 'settings'>,
  tables: readonly TableLocation[],
  account: KeyValue,
): Promise<Estimated[]> {
  const rows: (number | null)[] = [];
  for (const table of tables) rows.push(await countOrNull(ctx, table, account));
  return chunksOf(tables, rows, ctx.settings.chunkRows);
}

/** The chunks that `rows`, in the order of `tables`, are cut into: fewer rows a chunk above many children. */
export function chunksOf(
  tables: readonly Pick<TableLocation, 'name' | 'children'>[],
  rows: readonly (number | null)[],
  chunkRows: number,
): Estimated[] {
  const rowsOf = new Map(tables.map((table, n) => [table.name, rows[n] ?? null]));
  return tables.map(({ name, children }) => {
    const own = rowsOf.get(name) ?? null;
    const below = children.reduce((total, child) => total + (rowsOf.get(child.location) ?? 0), 0);
    return { rows: own, chunks: own === null ? null : Math.ceil(own / rowsPerChunk(chunkRows, own, below)) };
  });
}

async function countOrNull(
  ctx: Pick<KindContext, 'db'>,
  table: TableLocation,
  account: KeyValue,
): Promise<number | null> {
  try {
    return await transaction(ctx.db, COUNTING, async (tx) => {
      await tx.execute(sql`SET TRANSACTION READ ONLY`);
      return countAll(tx, table, account);
    });
  } catch (error) {
    if (isContended(error)) return null;
    throw error;
  }
}
