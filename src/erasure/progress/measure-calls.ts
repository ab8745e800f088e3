import { sql } from 'drizzle-orm';
import type { Database } from '../../store/client.ts';
import { transaction } from '../../store/transaction.ts';

/** A partner as its calls show it. `outstanding`: counted up to `MOST_COUNTED`. `oldest`: seconds since it was first asked. */
export type PartnerCalls = { name: string; open: boolean; outstanding: number; oldest: number };

/** Calls of each partner that are looked at: those that are due first. A million of them must not cost a scan. */
export const MOST_COUNTED = 10_000;

const MEASURING = { statementMs: 2_000, lockMs: 1_000 } as const;

/** Reads circuits and outstanding calls of each partner, without those for test data. */
export async function measureCalls(db: Database): Promise<PartnerCalls[]> {
  return transaction(db, MEASURING, (tx) =>
    tx.execute<PartnerCalls>(sql`
      SELECT p.name, p.opened_at IS NOT NULL AS open, c.outstanding,
             coalesce(extract(epoch FROM now() - c.since), 0)::float8 AS oldest
        FROM lethe.partner p CROSS JOIN LATERAL (
          SELECT count(*)::int AS outstanding, min(first.asked_at) AS since
            FROM (SELECT asked_at, erasure_id FROM lethe.call WHERE partner = p.name AND next_at IS NOT NULL
                   ORDER BY next_at LIMIT ${MOST_COUNTED}) AS first
           -- One probe of an index for each call: the limit keeps the planner from reading all erasures instead.
           CROSS JOIN LATERAL (SELECT canary FROM lethe.erasure WHERE id = first.erasure_id LIMIT 1) AS e
           WHERE NOT e.canary) AS c
       ORDER BY p.name`),
  );
}
