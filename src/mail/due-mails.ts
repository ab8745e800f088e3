import { and, eq, lte, sql } from 'drizzle-orm';
import type { Executor } from '../store/client.ts';
import { notification } from '../store/schema.ts';
import type { DueRows } from '../store/take-due.ts';

// A literal, so that the partial index fits.
/** Mails whose next attempt is due. */
export const DUE_MAILS: DueRows = { table: notification, at: notification.nextAt, where: sql`state = 'pending'` };

/** The ids of an erasure's mails that have not been sent. One that the provider has put off has a time of its own. */
export async function findOpenMails(db: Executor, erasureId: string): Promise<string[]> {
  const open = await db
    .select({ id: notification.id })
    .from(notification)
    .where(
      and(
        eq(notification.erasureId, erasureId),
        eq(notification.state, 'pending'),
        lte(notification.nextAt, sql`now() + interval '1 minute'`),
      ),
    );
  return open.map(({ id }) => id);
}
