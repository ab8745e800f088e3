import { type SQL, sql } from 'drizzle-orm';
import type { Executor } from '../store/client.ts';
import { event } from '../store/schema.ts';

/** What can happen to an erasure. State changes are `erasure.<new state>`. */
export type EventType =
  | `erasure.${'requested' | 'scheduled' | 'running' | 'awaiting' | 'completed' | 'cancelled' | 'stalled' | 'held' | 'released' | 'replayed' | 'scrubbed'}`
  | `task.${'acknowledged' | 'failed' | 'interrupted'}`
  | 'task.dropped'
  | 'location.erased_at_request'
  | 'pass.started'
  | `account.${'erased' | 'signed_out' | 'sign_out_failed'}`
  | `mail.${'sent' | 'skipped' | 'failed' | 'uncertain'}`;

/** What happened to an erasure. `data` holds ids and counts only. */
export type Happened = { type: EventType; data?: Record<string, unknown> };

/** Not `now()`, which is when the transaction began: an earlier transaction may record later what happens in it. */
const HAPPENED = sql`clock_timestamp()`;

/** Records what happened, in the transaction that made it happen. `data` holds ids and counts only. */
export async function appendEvent(
  db: Executor,
  erasureId: string,
  type: EventType,
  data: Record<string, unknown> = {},
): Promise<void> {
  await db.insert(event).values({ erasureId, type, data, at: HAPPENED });
}

/** What happened, in this order, as one parameter. */
export const happenedInOrder = (happened: readonly Happened[]): string =>
  JSON.stringify(happened.map(({ type, data = {} }, n) => ({ n, type, data })));

/**
 * The statement that records several things (`happenedInOrder`) for each row of `source`. `source` names a common table
 * expression of the same statement that changes erasures and returns their ids. Where it changed nothing, nothing has
 * happened.
 */
export const eventsFrom = (source: string, inOrder: string): SQL => sql`
  INSERT INTO ${event} (erasure_id, type, data, at)
  SELECT source.id, happened.type, happened.data, ${HAPPENED}
    FROM ${sql.raw(source)} AS source,
         jsonb_to_recordset(${inOrder}::jsonb) AS happened (n int, type text, data jsonb) ORDER BY happened.n`;
