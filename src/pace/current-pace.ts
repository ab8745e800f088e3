import { eq, sql } from 'drizzle-orm';
import { type Pace, type PaceSchedule, paceAt } from '../settings/pace-schedule.ts';
import type { Executor } from '../store/client.ts';
import { pace } from '../store/schema.ts';
import { allowanceOf, type PaceLimits, paceWords, type Signal } from './pace.ts';

/** The cluster's pace as it was last decided. `words` say why it is slowed; null when it is not. */
export type CurrentPace = { pace: Pace; step: number; slots: number; words: string | null; signals: Signal[] };

/** A row that nobody has sampled for so long says nothing any more. */
export const SAMPLED = sql`sampled_at > now() - interval '60 seconds'`;

/** Joined by the statement that claims a slice's chunk, so that a change is obeyed within one slice and costs no round trip. */
export const JOIN_PACE = sql`LEFT JOIN lethe.pace p ON ${SAMPLED}`;

/** What the cluster goes by now; null while nobody samples. */
export async function readPace(db: Executor): Promise<CurrentPace | null> {
  const [row] = await db
    .select({ pace: pace.pace, step: pace.step, slots: pace.slots, words: pace.words, signals: pace.signals })
    .from(pace)
    .where(SAMPLED);
  return (row as CurrentPace | undefined) ?? null;
}

/** What a process goes by: the cluster's pace, or while nobody samples its own schedule's. */
export const paceOrOwn = (
  { settings }: { settings: { pace: PaceSchedule } },
  current: Pick<CurrentPace, 'pace' | 'step'> | null,
) => current ?? { pace: paceAt(settings.pace, new Date()), step: 0 };

/** The cluster's pace as one sentence for pages. */
export async function readPaceWords(ctx: { db: Executor; settings: { pace: PaceSchedule } }): Promise<string> {
  const current = await readPace(ctx.db);
  return paceWords({ pace: paceOrOwn(ctx, current).pace, words: current?.words ?? null });
}

/** Chunks that may run at once in the whole cluster now. */
export async function currentSlots(ctx: {
  db: Executor;
  settings: PaceLimits & { pace: PaceSchedule };
}): Promise<number> {
  const current = await readPace(ctx.db);
  if (current) return current.slots;
  const { pace: name, step } = paceOrOwn(ctx, null);
  return allowanceOf(name, step, ctx.settings).slots;
}

/**
 * Stores what was decided, only while `holder` has the duty. A process that stood still for longer than its lease must
 * not overwrite what its successor says. False: it has lost it.
 */
export async function storePace(db: Executor, duty: string, holder: string, now: CurrentPace): Promise<boolean> {
  const rows = await db.execute(sql`
    INSERT INTO lethe.pace (pace, step, slots, words, signals)
    SELECT ${now.pace}, ${now.step}::int, ${now.slots}::int, ${now.words}::text, ${JSON.stringify(now.signals)}::jsonb
      FROM lethe.duty WHERE name = ${duty} AND holder = ${holder} AND held_until > now()
    ON CONFLICT (one) DO UPDATE SET pace = excluded.pace, step = excluded.step, slots = excluded.slots,
       words = excluded.words, signals = excluded.signals, sampled_at = now(),
       changed_at = CASE WHEN (lethe.pace.pace, lethe.pace.step) = (excluded.pace, excluded.step)
                         THEN lethe.pace.changed_at ELSE now() END
    RETURNING 1`);
  return rows.length > 0;
}

/** The row is still true although a reading failed: a database too busy to answer is no reason to speed up. */
export async function keepPace(db: Executor): Promise<void> {
  await db.update(pace).set({ sampledAt: sql`now()` }).where(eq(pace.one, true));
}
