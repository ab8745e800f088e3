import { sql } from 'drizzle-orm';
import type { Executor } from '../../store/client.ts';
import { fromMs, inMs } from '../../store/milliseconds.ts';

/** How an erasure gets to the warehouse: in the dataset of the day on which its account ended. */
export type InWarehouse = {
  /** When the account ended last; null: it has not. */
  erasedAt: Date | null;
  /** The day of that in UTC, and whether it has ended by the database's clock. */
  day: string;
  dayEnded: boolean;
  /** That day as it was written last; null: it was not yet. */
  partition: { revision: number; keys: boolean; builtAt: Date } | null;
};

type Row = { at: number; day: string; ended: boolean } & (
  | { revision: number; keys: boolean; built: number }
  | { revision: null }
);

/** Where an erasure stands in the dataset. An erasure that was opened again is in it once more: its last day counts. */
export async function readWarehouse(db: Executor, erasureId: string): Promise<InWarehouse> {
  const [row] = await db.execute<Row>(sql`
    SELECT ${inMs(sql`e.at`)} AS at, to_char(e.day, 'YYYY-MM-DD') AS day, e.day < (now() AT TIME ZONE 'UTC')::date AS ended,
           p.revision, p.keys, ${inMs(sql`p.built_at`)} AS built
      FROM (SELECT at, (at AT TIME ZONE 'UTC')::date AS day FROM lethe.event
             WHERE erasure_id = ${erasureId} AND type = 'account.erased' ORDER BY at DESC, id DESC LIMIT 1) AS e
      LEFT JOIN lethe.dataset_partition p ON p.day = e.day AND p.whole`);
  if (!row) return { erasedAt: null, day: '', dayEnded: false, partition: null };
  const partition =
    row.revision === null ? null : { revision: row.revision, keys: row.keys, builtAt: fromMs(row.built) };
  return { erasedAt: fromMs(row.at), day: row.day, dayEnded: row.ended, partition };
}
