import { asc, eq } from 'drizzle-orm';
import type { Executor } from '../../store/client.ts';
import { event } from '../../store/schema.ts';

export type HistoryEntry = { at: Date; type: string; data: Record<string, unknown> };

const MOST = 500;

/** What happened to an erasure, oldest first: who asked, held, released and replayed it is in `data.by`. */
export async function readHistory(db: Executor, erasureId: string): Promise<HistoryEntry[]> {
  const rows = await db
    .select({ at: event.at, type: event.type, data: event.data })
    .from(event)
    .where(eq(event.erasureId, erasureId))
    .orderBy(asc(event.at), asc(event.id))
    .limit(MOST);
  return rows.map((row) => ({ ...row, data: row.data as Record<string, unknown> }));
}
