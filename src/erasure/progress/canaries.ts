import { desc } from 'drizzle-orm';
import type { Executor } from '../../store/client.ts';
import { canary } from '../../store/schema.ts';

/** What is wrong with test data, and where. */
export type Finding = { location: string; words: string };

/** One account of test data, from its planting until it was looked for. */
export type Cycle = {
  id: string;
  state: string;
  erasureId: string | null;
  /** Rows and items by location; null: nothing is planted yet. */
  planted: Readonly<Record<string, number>> | null;
  findings: readonly Finding[] | null;
  attempts: number;
  /** When its next step is due; null: it is over. */
  nextAt: Date | null;
  createdAt: Date;
  plantedAt: Date | null;
  requestedAt: Date | null;
  finishedAt: Date | null;
  /** What kept the last try of a step from its end. */
  lastWords: string | null;
};

/** The newest accounts of test data, newest first; `limit`: how many at most. The account's key is nobody's business. */
export async function readCycles(db: Executor, limit: number): Promise<Cycle[]> {
  const rows = await db
    .select({
      id: canary.id,
      state: canary.state,
      erasureId: canary.erasureId,
      planted: canary.planted,
      findings: canary.findings,
      attempts: canary.attempts,
      nextAt: canary.nextAt,
      createdAt: canary.createdAt,
      plantedAt: canary.plantedAt,
      requestedAt: canary.requestedAt,
      finishedAt: canary.finishedAt,
      lastWords: canary.lastWords,
    })
    .from(canary)
    .orderBy(desc(canary.createdAt))
    .limit(limit);
  return rows.map((row) => ({
    ...row,
    planted: row.planted as Cycle['planted'],
    findings: row.findings as Cycle['findings'],
  }));
}
