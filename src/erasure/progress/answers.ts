import { sql } from 'drizzle-orm';
import type { Executor } from '../../store/client.ts';
import { fromMs, inMs } from '../../store/milliseconds.ts';
import { MOST_CALLS } from './asked.ts';

/** What a partner has said last about what it has settled. */
export type LastAnswer = { words: string; at: Date | null };

/** The last answers that have settled calls of an erasure, by location. It looks at `MOST_CALLS` calls at most. */
export async function readAnswers(db: Executor, erasureId: string): Promise<ReadonlyMap<string, LastAnswer>> {
  const rows = await db.execute<{ name: string; words: string; at: number | null }>(sql`
    SELECT DISTINCT ON (partner) partner AS name, last_words AS words, ${inMs(sql`last_at`)} AS at
      FROM (SELECT * FROM lethe.call WHERE erasure_id = ${erasureId} LIMIT ${MOST_CALLS}) AS counted
     WHERE settled_at IS NOT NULL AND last_words IS NOT NULL
     ORDER BY partner, last_at DESC NULLS LAST`);
  return new Map(rows.map(({ name, words, at }) => [name, { words, at: at === null ? null : fromMs(at) }]));
}
