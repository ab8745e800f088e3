import { and, eq, inArray, sql } from 'drizzle-orm';
import { OWN_TABLES } from '../../store/limits.ts';
import { chunk, erasure } from '../../store/schema.ts';
import { transaction } from '../../store/transaction.ts';
import type { Context } from './context.ts';
import { type Erasure, hasStepsInSql } from './states.ts';

/** One window as it must be put into the queues: a parent and its chunks. */
export type Dispatch = {
  erasureId: string;
  step: number;
  jobId: string;
  delayMs: number;
  chunks: (ChunkWords & { id: number; jobId: string; priority: number; delayMs: number })[];
};

/** What a person is told about a chunk: names and counts, never a key. */
export type ChunkWords = { location: string; pass: number; range: number; rows: number };
/** An unfinished chunk that may go out. */
export type Candidate = ChunkWords & { id: number; dispatches: number };

/**
 * Claims the next step of an erasure that runs, or deletes sessions, for a window of chunks. Without chunks it is the parent
 * alone, which plans, verifies and finishes. Returns what to enqueue, or null when somebody else was faster or
 * the erasure is held. Job ids hold the step, so that none is ever used twice.
 */
export async function dispatchWindow(
  ctx: Context,
  seen: Pick<Erasure, 'id' | 'step'>,
  candidates: readonly Candidate[] = [],
  options: { rowsPlanned?: number; delayMs?: number } = {},
): Promise<Dispatch | null> {
  const { step, jobId } = nextStep(seen);
  const claimed = await transaction(ctx.db, OWN_TABLES, async (tx) => {
    const rows = await tx
      .update(erasure)
      .set({
        step,
        jobId,
        dispatchedAt: sql`now() + ${options.delayMs ?? 0} * interval '1 millisecond'`,
        retryAt: null,
      })
      .where(and(eq(erasure.id, seen.id), hasStepsInSql(), eq(erasure.step, seen.step)))
      .returning({ id: erasure.id });
    if (rows.length > 0 && candidates.length > 0) {
      await tx
        .update(chunk)
        .set({ dispatches: sql`dispatches + 1` })
        .where(
          inArray(
            chunk.id,
            candidates.map((c) => c.id),
          ),
        );
    }
    return rows.length > 0;
  });
  if (!claimed) return null;
  const priority = priorityFor(options.rowsPlanned ?? 0);
  return {
    erasureId: seen.id,
    step,
    jobId,
    delayMs: options.delayMs ?? 0,
    chunks: candidates.map(({ dispatches, ...c }) => ({
      ...c,
      jobId: `${jobId}_${c.id}`,
      priority,
      delayMs: pauseBefore(dispatches),
    })),
  };
}

/** The step after `seen`, without chunks: what the transaction that starts an erasure stores itself. */
export function nextStep(seen: Pick<Erasure, 'id' | 'step'>): Dispatch {
  const step = seen.step + 1;
  return { erasureId: seen.id, step, jobId: `${seen.id}_${step}`, delayMs: 0, chunks: [] };
}

/** Smaller erasures first: 1 + floor(log2(rows)). Never 0, which would run before every other chunk. */
export const priorityFor = (rowsPlanned: number) => 1 + Math.floor(Math.log2(Math.max(1, rowsPlanned)));

/** A chunk that came back twice without progress waits longer each time, up to a minute. */
export const pauseBefore = (dispatches: number) => (dispatches < 2 ? 0 : Math.min(60_000, 500 * 2 ** (dispatches - 1)));
