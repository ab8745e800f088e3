import { type SQL, sql } from 'drizzle-orm';
import type { Executor } from '../db/client.ts';
import { event } from '../db/schema.ts';

/** What can happen to an erasure. State changes are `erasure.<new state>`. */
export type EventType =
  | `erasure.${'requested' | 'scheduled' | 'running' | 'awaiting' | 'completed' | 'cancelled' | 'stalled' | 'held' | 'released' | 'scrubbed'}`
  | 'task.failed'
  | 'task.dropped'
  | 'location.erased_at_request'
  | 'pass.started'
  | `account.${'erased' | 'signed_out' | 'sign_out_failed'}`
  | `mail.${'sent' | 'skipped' | 'failed' | 'uncertain'}`;

/** What happened to an erasure. `data` holds ids and counts only. */
export type Happened = { type: EventType; data?: Record<string, unknown> };

/** Records what happened, in the transaction that made it happen. `data` holds ids and counts only. */
export async function appendEvent(
  db: Executor,
  erasureId: string,
  type: EventType,
  data: Record<string, unknown> = {},
): Promise<void> {
  await db.insert(event).values({ erasureId, type, data });
}

/**
 * The statement that records several things, in this order, for each row of `source`, the name of a common table
 * expression that changes erasures and returns their ids: where it changed nothing, nothing has happened. One beside it.
 */
export function eventsFrom(source: string, happened: readonly Happened[]): SQL {
  const rows = happened.map(
    ({ type, data = {} }, n) => sql`(${n}::int, ${type}::text, ${sql.param(data, event.data)}::jsonb)`,
  );
  return sql`INSERT INTO ${event} (erasure_id, type, data)
    SELECT source.id, happened.type, happened.data
      FROM ${sql.raw(source)} AS source, (VALUES ${sql.join(rows, sql`, `)}) AS happened (n, type, data) ORDER BY happened.n`;
}
