import { sql } from 'drizzle-orm';
import type { Database, Executor } from '../store/client.ts';
import { TIME } from '../store/schema.ts';

const DUTY = 'dataset';
/** After so long a tick counts as lost. A run that has failed is tried again after as long. */
const AGAIN = sql.raw("interval '15 minutes'");

/** Remembers that a run has looked at every day. */
export async function recordRun(db: Executor): Promise<void> {
  await db.execute(sql`
    INSERT INTO lethe.duty (name, done_at) VALUES (${DUTY}, now())
    ON CONFLICT (name) DO UPDATE SET done_at = now()`);
}

/**
 * True for one process when the run of the newest tick has not come to its end. Redis has lost it, or the destination was away.
 * True again after a while, as long as that is so.
 */
export async function claimMissed(db: Database, tick: Date): Promise<boolean> {
  const rows = await db.execute(sql`
    INSERT INTO lethe.duty (name, held_until) VALUES (${DUTY}, now() + ${AGAIN})
    ON CONFLICT (name) DO UPDATE SET held_until = excluded.held_until
     WHERE coalesce(lethe.duty.held_until, '-infinity') < now()
       AND coalesce(lethe.duty.done_at, '-infinity') < ${tick.toISOString()}::${sql.raw(TIME)}
       AND ${tick.toISOString()}::${sql.raw(TIME)} < now() - ${AGAIN}
    RETURNING name`);
  return rows.length > 0;
}
