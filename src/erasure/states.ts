import { and, eq, inArray, type SQL, sql } from 'drizzle-orm';
import type { Executor } from '../db/client.ts';
import { erasure } from '../db/schema.ts';
import { eventsFrom, type Happened } from '../events/append.ts';

export const STATES = ['scheduled', 'running', 'awaiting', 'stalled', 'completed', 'cancelled'] as const;
export type State = (typeof STATES)[number];

/** The only legal transitions. `completed → running` is a reapply, or a late probe that found rows. */
export const TRANSITIONS: Record<State, readonly State[]> = {
  scheduled: ['running', 'cancelled'],
  running: ['awaiting', 'completed', 'stalled'],
  awaiting: ['completed', 'stalled'],
  stalled: ['running'],
  completed: ['running'],
  cancelled: [],
};

export const LIVE: readonly State[] = ['scheduled', 'running', 'awaiting', 'stalled'];
export const isFinal = (state: string) => !LIVE.includes(state as State);

export type Erasure = typeof erasure.$inferSelect;
type Change = { [K in keyof typeof erasure.$inferInsert]?: (typeof erasure.$inferInsert)[K] | SQL };

type Options = {
  where?: SQL | undefined;
  data?: Record<string, unknown>;
  /** What happened just before it, and is no state: recorded with it. */
  before?: readonly Happened[];
};

/**
 * Moves an erasure from one state to another, with its event, in one statement. Conditional: null means that
 * somebody else was faster, which is a no-op for the caller and not an error.
 */
export async function transition(
  db: Executor,
  id: string,
  from: State,
  to: State,
  change: Change = {},
  options: Options = {},
): Promise<Erasure | null> {
  if (!TRANSITIONS[from].includes(to)) throw new Error(`illegal transition ${from} → ${to}`);
  const changed = db.$with('changed').as(
    db
      .update(erasure)
      .set({ ...change, state: to } as Partial<typeof erasure.$inferInsert>)
      .where(and(eq(erasure.id, id), eq(erasure.state, from), options.where))
      .returning(),
  );
  const happened: Happened[] = [...(options.before ?? []), { type: `erasure.${to}`, data: { from, ...options.data } }];
  const recorded = db.$with('recorded', {}).as(eventsFrom(changed, happened));
  const [row] = await db.with(changed, recorded).select().from(changed);
  return row ?? null;
}

/** Reads one erasure, or null. */
export async function findErasure(db: Executor, id: string): Promise<Erasure | null> {
  const [row] = await db.select().from(erasure).where(eq(erasure.id, id));
  return row ?? null;
}

/** The live erasure of an account, or null: at most one exists. */
export async function findLive(db: Executor, accountKey: string | SQL): Promise<Erasure | null> {
  const [row] = await db
    .select()
    .from(erasure)
    .where(and(eq(erasure.accountKey, accountKey), inArray(erasure.state, [...LIVE])));
  return row ?? null;
}

/** Its id alone: each acceptance asks, and hardly any finds one. */
export async function findLiveId(db: Executor, accountKey: string | SQL): Promise<string | null> {
  const [row] = await db.execute<{ id: string }>(
    sql`SELECT id FROM ${erasure} WHERE account_key = ${accountKey} AND state IN ${LIVE}`,
  );
  return row?.id ?? null;
}
