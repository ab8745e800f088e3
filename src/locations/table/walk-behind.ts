import { sql } from 'drizzle-orm';
import { type Context, OWN_TABLES } from '../../erasure/model/context.ts';
import { decodeKey } from '../../keys/encode.ts';
import { sanitize } from '../../store/sql-errors.ts';
import { pipeline, readBy, transaction } from '../../store/transaction.ts';
import { walkDeleted } from './erase-rows.ts';

export type ChunkTask = {
  location: string;
  accountKey: string;
  catalogDigest: string;
  /** A range that was finished so long ago that no statement sees its rows any more. */
  behind: { lower: string[] | null; upper: string[] } | null;
};

/** Chunks by which the walk through what is deleted follows the deletion. */
const BEHIND = 8;

/** What a chunk is of; undefined when there is no such chunk. */
export async function readTask({ db }: Context, chunkId: number): Promise<ChunkTask | undefined> {
  const [row] = await db.execute<ChunkTask>(sql`
    SELECT t.location, e.account_key AS "accountKey", e.catalog_digest AS "catalogDigest",
           CASE WHEN b.id IS NOT NULL THEN jsonb_build_object('lower', b.lower, 'upper', b.upper) END AS behind
      FROM lethe.chunk c JOIN lethe.task t ON t.id = c.task_id JOIN lethe.erasure e ON e.id = t.erasure_id
      LEFT JOIN lethe.chunk b ON b.task_id = c.task_id AND b.pass = c.pass AND b.number = c.number - ${BEHIND}::int
                             AND b.finished_at IS NOT NULL AND c.cursor IS NULL
     WHERE c.id = ${chunkId}`);
  return row;
}

/**
 * Walks what was deleted eight chunks ago, once, before a chunk begins: the pages are then cleaned in their order, while
 * they are at hand. Only makes later walks cheaper: what goes wrong here must not fail the chunk.
 */
export async function walkBehind(
  ctx: Context,
  { location: name, accountKey }: ChunkTask,
  range: NonNullable<ChunkTask['behind']>,
): Promise<void> {
  const location = ctx.catalog.locations.find((l) => l.name === name);
  if (!location?.ordered || location.children.length > 0) return;
  const account = decodeKey(ctx.catalog.account.key, accountKey);
  await transaction(ctx.db, OWN_TABLES, async (tx) => {
    await pipeline([() => readBy(tx, 'index'), () => walkDeleted(tx, location, account, range)]);
  }).catch((error: unknown) => ctx.log.debug({ location: name, code: sanitize(error).code }, 'not walked'));
}
