import { sql } from 'drizzle-orm';
import { v7 as uuidv7 } from 'uuid';
import type { Executor } from '../db/client.ts';
import { notification } from '../db/schema.ts';

/** The row that a mail is sent from, with this id; `nextAt` leaves the direct job some time before reconcile takes it up. */
export async function insertNotification(
  db: Executor,
  erasureId: string,
  kind: 'received' | 'completed',
  id = uuidv7(),
): Promise<void> {
  await db.execute(sql`
    INSERT INTO ${notification} (id, erasure_id, kind, next_at)
    VALUES (${id}, ${erasureId}, ${kind}, now() + interval '15 seconds') ON CONFLICT DO NOTHING`);
}
