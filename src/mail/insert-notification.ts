import { type SQL, sql } from 'drizzle-orm';
import { v7 as uuidv7 } from 'uuid';
import type { Executor } from '../store/client.ts';
import { notification } from '../store/schema.ts';

type Kind = 'received' | 'completed';

/** Inserts the notification that a mail is sent from, with this id. */
export async function insertNotification(db: Executor, erasureId: string, kind: Kind, id = uuidv7()): Promise<void> {
  await db.execute(notificationOf(erasureId, kind, id));
}

/** The statement that does it; `next_at` leaves the direct job some time before reconcile takes it up. */
export const notificationOf = (erasureId: string, kind: Kind, id: string): SQL => sql`
  INSERT INTO ${notification} (id, erasure_id, kind, next_at)
  VALUES (${id}, ${erasureId}, ${kind}, now() + interval '15 seconds') ON CONFLICT DO NOTHING`;
