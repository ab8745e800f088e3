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

/** Records several things that happened to one erasure, in this order. */
export async function appendEvents(db: Executor, erasureId: string, happened: readonly Happened[]): Promise<void> {
  await db.insert(event).values(happened.map(({ type, data = {} }) => ({ erasureId, type, data })));
}

/** Records what happened, in the transaction that made it happen. `data` holds ids and counts only. */
export async function appendEvent(
  db: Executor,
  erasureId: string,
  type: EventType,
  data: Record<string, unknown> = {},
): Promise<void> {
  await db.insert(event).values({ erasureId, type, data });
}
