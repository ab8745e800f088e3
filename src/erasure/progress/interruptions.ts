import { sql } from 'drizzle-orm';
import type { Executor } from '../../store/client.ts';
import { fromMs, inMs } from '../../store/milliseconds.ts';

/** How often workers ended without an answer, and when that was noticed last. */
export type Interrupted = { times: number; lastAt: Date };

/** Interruptions of an erasure by location; those of its steps have the empty name. */
export async function readInterruptions(db: Executor, erasureId: string): Promise<ReadonlyMap<string, Interrupted>> {
  const rows = await db.execute<{ location: string | null; times: number; at: number }>(sql`
    SELECT data ->> 'location' AS location, count(*)::int AS times, ${inMs(sql`max(at)`)} AS at FROM lethe.event
     WHERE erasure_id = ${erasureId} AND type = 'task.interrupted' GROUP BY 1`);
  return new Map(rows.map(({ location, times, at }) => [location ?? '', { times, lastAt: fromMs(at) }]));
}
