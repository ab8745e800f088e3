import { sql } from 'drizzle-orm';
import { JOIN_PACE, paceOrOwn } from '../../pace/current-pace.ts';
import { type Allowance, allowanceOf } from '../../pace/pace.ts';
import type { Pace } from '../../settings/pace-schedule.ts';
import type { Transaction } from '../../store/client.ts';
import type { Context } from '../model/context.ts';
import { hasStepsInSql } from '../model/states.ts';

export type ClaimedChunk = {
  cursor: string[] | null;
  upper: string[];
  /** Rows of the plan that are still to delete. */
  left: number;
  /** Rows `at: request`, before the start. */
  early: boolean;
  /** The cluster's pace and step; null while nobody decides them. */
  pace: Pace | null;
  step: number | null;
};

/** Locks the chunk's row for one slice. Undefined when another worker has it, or it must not run now. */
export async function claimChunk(tx: Transaction, chunkId: number): Promise<ClaimedChunk | undefined> {
  const [claim] = await tx.execute<ClaimedChunk>(sql`
    SELECT coalesce(c.cursor, c.lower) AS cursor, c.upper, (c.rows_planned - c.rows_deleted)::numeric AS left,
           e.state = 'scheduled' AS early, p.pace, p.step
      FROM lethe.chunk c JOIN lethe.task t ON t.id = c.task_id JOIN lethe.erasure e ON e.id = t.erasure_id
           ${JOIN_PACE}
     WHERE c.id = ${chunkId} AND c.finished_at IS NULL AND t.state = 'running' AND ${hasStepsInSql('e.')}
       FOR UPDATE OF c SKIP LOCKED`);
  return claim;
}

/** What the cluster's pace allows this slice. */
export function allowanceFor(ctx: Context, { pace, step }: Pick<ClaimedChunk, 'pace' | 'step'>): Allowance {
  const current = paceOrOwn(ctx, pace === null || step === null ? null : { pace, step });
  return allowanceOf(current.pace, current.step, ctx.settings);
}
