import { sql } from 'drizzle-orm';
import type { Executor } from '../../store/client.ts';
import { fromMs, inMs } from '../../store/milliseconds.ts';

/** A partner as all workers see it. */
export type PartnerState = {
  name: string;
  /** Calls without an answer that settles them, counted to `MOST_WAITING`. */
  waiting: number;
  /** When the oldest of the counted ones was asked first; null: none was asked yet. */
  oldestAt: Date | null;
  /** Since when its circuit is open, and when one call tries; null: closed. */
  openSince: Date | null;
  probeAt: Date | null;
  /** It asked for a pause until then. */
  pausedUntil: Date | null;
  answeredAt: Date | null;
  /** Its last failure in words. */
  words: string | null;
};

/** Counted no further: there may be a million. */
export const MOST_WAITING = 1000;
/** Partners that are shown. */
const MOST_PARTNERS = 100;

type Row = { name: string; waiting: number; words: string | null } & Record<
  'oldestAt' | 'openSince' | 'probeAt' | 'pausedUntil' | 'answeredAt',
  number | null
>;

/** How it stands with each partner: those whose circuit is open first. A look into an index, bounded for each of them. */
export async function readPartners(db: Executor): Promise<PartnerState[]> {
  const rows = await db.execute<Row>(sql`
    SELECT p.name, p.words, waits.*, ${inMs(sql`p.opened_at`)} AS "openSince", ${inMs(sql`p.probe_at`)} AS "probeAt",
           CASE WHEN p.paused_until > now() THEN ${inMs(sql`p.paused_until`)} END AS "pausedUntil",
           ${inMs(sql`p.answered_at`)} AS "answeredAt"
      FROM (SELECT * FROM lethe.partner ORDER BY opened_at IS NULL, name LIMIT ${MOST_PARTNERS}) AS p
     CROSS JOIN LATERAL (
           SELECT count(*)::int AS waiting, ${inMs(sql`min(asked_at)`)} AS "oldestAt"
             FROM (SELECT c.asked_at FROM lethe.call c WHERE c.partner = p.name AND c.next_at IS NOT NULL
                    ORDER BY c.next_at LIMIT ${MOST_WAITING}) AS counted) AS waits
     ORDER BY p.opened_at IS NULL, p.name`);
  const at = (ms: number | null) => (ms === null ? null : fromMs(ms));
  return rows.map((row) => ({
    name: row.name,
    waiting: row.waiting,
    oldestAt: at(row.oldestAt),
    openSince: at(row.openSince),
    probeAt: at(row.probeAt),
    pausedUntil: at(row.pausedUntil),
    answeredAt: at(row.answeredAt),
    words: row.words,
  }));
}
