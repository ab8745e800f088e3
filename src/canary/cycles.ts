import { desc, eq, isNull, sql } from 'drizzle-orm';
import { v7 as uuidv7 } from 'uuid';
import type { Executor } from '../store/client.ts';
import { canary } from '../store/schema.ts';
import type { Cycle } from './model.ts';

const sinceMs = (column: 'created_at' | 'requested_at') =>
  sql<number | null>`(extract(epoch FROM now() - ${sql.raw(column)}) * 1000)::numeric`;
const COLUMNS = {
  row: canary,
  ageMs: sinceMs('created_at'),
  askedMs: sinceMs('requested_at'),
  dueMs: sql<number | null>`(extract(epoch FROM next_at - now()) * 1000)::numeric`,
};

const read = ({ row, ageMs, ...times }: { row: object; ageMs: number | null }): Cycle =>
  ({ ...row, ...times, ageMs: ageMs ?? 0 }) as Cycle;

/** The cycle that is under way, or null. */
export async function findLiveCycle(db: Executor): Promise<Cycle | null> {
  const [found] = await db.select(COLUMNS).from(canary).where(isNull(canary.finishedAt));
  return found ? read(found) : null;
}

/** A cycle by its id, or null. */
export async function findCycle(db: Executor, id: string): Promise<Cycle | null> {
  const [found] = await db.select(COLUMNS).from(canary).where(eq(canary.id, id));
  return found ? read(found) : null;
}

/** The last cycles, newest first. */
export async function listCycles(db: Executor, most: number): Promise<Cycle[]> {
  const found = await db.select(COLUMNS).from(canary).orderBy(desc(canary.createdAt), desc(canary.id)).limit(most);
  return found.map(read);
}

/**
 * Begins a cycle, unless one is under way or began less than `everyMs` ago. Returns its id, or null. Of two processes
 * that do it at once the index of live cycles lets one. What a clock that was ahead wrote for later is not waited for.
 */
export async function beginCycle(db: Executor, everyMs: number): Promise<string | null> {
  const [begun] = await db.execute<{ id: string }>(sql`
    INSERT INTO ${canary} (id, state, next_at)
    SELECT ${uuidv7()}, 'planting', now()
     WHERE NOT EXISTS (SELECT 1 FROM ${canary} WHERE finished_at IS NULL
                          OR created_at BETWEEN now() - ${everyMs} * interval '1 millisecond' AND now())
    ON CONFLICT DO NOTHING RETURNING id`);
  return begun?.id ?? null;
}

/** Milliseconds until the next cycle may begin; 0: now. */
export async function msToNext(db: Executor, everyMs: number): Promise<number> {
  const [row] = await db.execute<{ ms: number | null }>(sql`
    SELECT (extract(epoch FROM max(created_at) - now()) * 1000)::numeric AS ms FROM ${canary} WHERE created_at <= now()`);
  return row?.ms === null || row?.ms === undefined ? 0 : Math.max(0, row.ms + everyMs);
}
