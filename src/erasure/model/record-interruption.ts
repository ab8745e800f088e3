import { sql } from 'drizzle-orm';
import type { EventType } from '../../events/append.ts';
import type { Executor } from '../../store/client.ts';

const TYPE: EventType = 'task.interrupted';

/** `times`: how often this job's workers ended so. `location`: what it deletes; null for a step, which plans and finishes. */
export type Interruption = { jobId: string; times: number; location: string | null };

/**
 * Records that the worker which had a job ended without an answer: killed, for example out of memory. Its next worker
 * says so, once for each time, however often it is delivered afterwards.
 */
export async function recordInterruption(db: Executor, erasureId: string, of: Interruption): Promise<void> {
  const { jobId, times, location } = of;
  await db.execute(sql`
    INSERT INTO lethe.event (erasure_id, type, data, at)
    SELECT ${erasureId}::uuid, ${TYPE}, ${JSON.stringify({ job: jobId, times, location })}::text::jsonb, clock_timestamp()
     WHERE NOT EXISTS (SELECT FROM lethe.event WHERE erasure_id = ${erasureId}::uuid AND type = ${TYPE}
                          AND data ->> 'job' = ${jobId} AND (data ->> 'times')::int >= ${times}::int)`);
}
