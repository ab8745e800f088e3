import { sql } from 'drizzle-orm';
import type { TableLocation } from '../../catalog/live/types.ts';
import type { KeyValue } from '../../keys/types.ts';
import { OWN_TABLES } from '../../store/limits.ts';
import { sanitize } from '../../store/sql-errors.ts';
import { pipeline, readBy, transaction } from '../../store/transaction.ts';
import type { ChunkWork, KindContext } from '../kind.ts';
import { walkDeleted } from './rows/erase-rows.ts';

/** Chunks by which the walk through what is deleted follows the deletion. */
const BEHIND = 8;

/**
 * Walks what was deleted eight chunks ago, once, before a chunk begins. The pages are then cleaned in their order, while
 * they are at hand. It only makes later walks cheaper: what goes wrong here must not fail the chunk.
 */
export async function walkBehind(
  ctx: KindContext,
  { chunkId, location, account }: ChunkWork<TableLocation>,
): Promise<void> {
  if (!location.ordered || location.children.length > 0) return;
  await transaction(ctx.db, OWN_TABLES, async (tx) => {
    // Finished so long ago that no statement sees its rows any more; only before the chunk's own first slice.
    const [range] = await tx.execute<{ lower: KeyValue | null; upper: KeyValue }>(sql`
      SELECT b.lower, b.upper FROM lethe.chunk c
        JOIN lethe.chunk b ON b.task_id = c.task_id AND b.pass = c.pass AND b.number = c.number - ${BEHIND}::int
       WHERE c.id = ${chunkId} AND c.cursor IS NULL AND b.finished_at IS NOT NULL`);
    if (range) await pipeline([() => readBy(tx, 'index'), () => walkDeleted(tx, location, account, range)]);
  }).catch((error: unknown) => ctx.log.debug({ location: location.name, code: sanitize(error).code }, 'not walked'));
}
