import { and, eq, sql } from 'drizzle-orm';
import { appendEvent } from '../events/append.ts';
import type { Executor } from '../store/client.ts';
import { erasure, notification } from '../store/schema.ts';

/** Sets the address to null and skips mails that have not been sent. */
export async function forgetAddress(db: Executor, erasureId: string): Promise<void> {
  const skipped = await db
    .update(notification)
    .set({ state: 'skipped', finishedAt: sql`now()` })
    .where(and(eq(notification.erasureId, erasureId), eq(notification.state, 'pending')))
    .returning({ kind: notification.kind });
  for (const { kind } of skipped) await appendEvent(db, erasureId, 'mail.skipped', { kind });
  await db.update(erasure).set({ email: null }).where(eq(erasure.id, erasureId));
}
