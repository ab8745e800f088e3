import { sql } from 'drizzle-orm';
import type { Database } from '../../store/client.ts';

/** How it stands with test data. `findings`: of the last that came to its end, by location. `passedAt`: in seconds since 1970; null: never. */
export type CanaryMeasures = { failing: boolean; findings: Record<string, number>; passedAt: number | null };

/** Reads the last test data that came to its end, and when one was last erased everywhere. */
export async function measureCanary(db: Database): Promise<CanaryMeasures> {
  const [row] = await db.execute<{ state: string | null; found: Record<string, number> | null; passed: number | null }>(
    sql`
    SELECT last.state, last.found, (SELECT extract(epoch FROM finished_at)::numeric FROM lethe.canary
              WHERE state = 'passed' ORDER BY created_at DESC LIMIT 1) AS passed
      FROM (SELECT 1) AS one LEFT JOIN (
        SELECT state, (SELECT jsonb_object_agg(location, n) FROM (
                 SELECT f ->> 'location' AS location, count(*) AS n FROM jsonb_array_elements(findings) AS f
                  WHERE f ->> 'location' IS NOT NULL GROUP BY 1) AS by) AS found
          FROM lethe.canary WHERE finished_at IS NOT NULL ORDER BY created_at DESC LIMIT 1) AS last ON true`,
  );
  return { failing: row?.state === 'failed', findings: row?.found ?? {}, passedAt: row?.passed ?? null };
}
