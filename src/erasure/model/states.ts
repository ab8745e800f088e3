import { and, eq, inArray, type SQL, sql } from 'drizzle-orm';
import type { Catalog } from '../../catalog/live/types.ts';
import { eventsFrom, type Happened, happenedInOrder } from '../../events/append.ts';
import { canonical } from '../../keys/canonical.ts';
import type { KeyValue } from '../../keys/types.ts';
import type { Executor } from '../../store/client.ts';
import { keptText } from '../../store/kept-text.ts';
import { fromMs, inMs } from '../../store/milliseconds.ts';
import { assignments, type Change, columnsOf, readRow } from '../../store/rows.ts';
import { canary, erasure } from '../../store/schema.ts';

export const STATES = ['scheduled', 'running', 'awaiting', 'stalled', 'completed', 'cancelled'] as const;
export type State = (typeof STATES)[number];

/**
 * The only legal transitions. `completed → running` is a reapply, or a late probe that found rows; `completed → awaiting`
 * a replay of partners. `stalled → cancelled` is an undo of what stalled before anything was deleted. What has begun is cancelled, and what has stalled is completed,
 * where somebody new has the account's key.
 */
export const TRANSITIONS: Record<State, readonly State[]> = {
  scheduled: ['running', 'cancelled'],
  running: ['awaiting', 'completed', 'stalled', 'cancelled'],
  awaiting: ['completed', 'stalled', 'cancelled'],
  stalled: ['running', 'completed', 'cancelled'],
  completed: ['running', 'awaiting'],
  cancelled: [],
};

export const LIVE: readonly State[] = ['scheduled', 'running', 'awaiting', 'stalled'];
export const isFinal = (state: string) => !LIVE.includes(state as State);

export type Erasure = typeof erasure.$inferSelect;

/** A scheduled erasure whose request has left rows `at: request`, which are being deleted: a step is out, as a running one's is. */
export const isDeletingSessions = (e: Pick<Erasure, 'state' | 'dispatchedAt'>): boolean =>
  e.state === 'scheduled' && e.dispatchedAt !== null;

/** Who holds an erasure because the application's own column (`account.hold`) says so. */
export const BY_APPLICATION = 'account.hold';

/** Its account is gone, and a step is out that asks what outlives it. Between two answers none is. */
const isAsking = (e: Pick<Erasure, 'state' | 'dispatchedAt'>): boolean =>
  e.state === 'awaiting' && e.dispatchedAt !== null;

/**
 * Steps go on: it runs or asks, and is not on hold. Or its sessions are being deleted, which the application's hold
 * allows (decision 009) and a person's does not.
 */
export const hasSteps = (e: Erasure): boolean =>
  isDeletingSessions(e)
    ? e.heldAt === null || e.heldBy === BY_APPLICATION
    : (e.state === 'running' || isAsking(e)) && e.heldAt === null;

// Literals, so that the partial indexes fit whatever the statistics say.
/** The same in SQL, each half for itself; `of` goes before the columns of `lethe.erasure`. */
export const isRunning = (of = ''): SQL => sql.raw(`(${of}state = 'running' AND ${of}held_at IS NULL)`);
export const deletesSessions = (of = ''): SQL =>
  sql.raw(`(${of}state = 'scheduled' AND ${of}dispatched_at IS NOT NULL
    AND (${of}held_at IS NULL OR ${of}held_by = '${BY_APPLICATION}'))`);
export const asks = (of = ''): SQL =>
  sql.raw(`(${of}state = 'awaiting' AND ${of}dispatched_at IS NOT NULL AND ${of}held_at IS NULL)`);

/** `hasSteps` in SQL, whole. */
export const hasStepsInSql = (of = ''): SQL => sql`(${isRunning(of)} OR ${deletesSessions(of)} OR ${asks(of)})`;

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
  change: Change<typeof erasure> = {},
  options: Options = {},
): Promise<Erasure | null> {
  if (!TRANSITIONS[from].includes(to)) throw new Error(`illegal transition ${from} → ${to}`);
  const happened: Happened[] = [...(options.before ?? []), { type: `erasure.${to}`, data: { from, ...options.data } }];
  const [row] = await db.execute(sql`
    WITH changed AS (UPDATE ${erasure} SET ${assignments(erasure, { ...change, state: to })}
           WHERE ${and(eq(erasure.id, id), eq(erasure.state, from), options.where)} RETURNING ${columnsOf(erasure)}),
         recorded AS (${eventsFrom('changed', happenedInOrder(happened))})
    SELECT * FROM changed`);
  return row ? readRow(erasure, row) : null;
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

/**
 * The server's time, and the id of the account's live erasure: each acceptance asks, and hardly any finds one. `canary`:
 * the account is test data that was planted, and not erased everywhere yet.
 */
export async function readNowAndLive(
  db: Executor,
  { account }: Catalog,
  key: KeyValue,
): Promise<{ now: Date; live: string | null; canary: boolean }> {
  const live = sql.raw(LIVE.map((state) => `'${state}'`).join(', '));
  const statement = keptText(
    account,
    'now and live',
    { key },
    (slots) => sql`SELECT ${inMs(sql`now()`)} AS now,
      (SELECT id FROM ${erasure} WHERE account_key = ${canonical(account.key, slots.key)} AND state IN (${live})) AS live,
      EXISTS (SELECT 1 FROM ${canary} WHERE account_key = ${canonical(account.key, slots.key)} AND state <> 'passed') AS canary`,
  );
  const [row] = await db.execute<{ now: number; live: string | null; canary: boolean }>(statement);
  return { now: fromMs(row?.now), live: row?.live ?? null, canary: row?.canary === true };
}
