import { asc, eq, inArray, sql } from 'drizzle-orm';
import type { Executor } from '../../store/client.ts';
import { duty, notification, task } from '../../store/schema.ts';
import type { State } from '../model/states.ts';

/** Live erasures of users by state: test data is in no number. `held` and `overdue` are among them. `mails`: those that were refused and wait. `sweptAt`: end of the last sweep, or null. */
export type Overview = {
  states: Partial<Record<State, number>>;
  held: number;
  overdue: number;
  mails: { count: number; outcome: string } | null;
  sweptAt: Date | null;
};

/** Counted no further: when the provider takes nothing, there may be a million. */
const MOST_MAILS = 1000;

/**
 * Counts what is live. Finished erasures are never counted: there may be millions. The states are
 * literals, so that the partial index of live erasures fits whatever the statistics say.
 */
export async function readOverview(db: Executor): Promise<Overview> {
  const rows = await db.execute<{ state: State; count: number; held: number; overdue: number }>(sql`
    SELECT state, count(*)::int AS count, count(held_at)::int AS held,
           (count(*) FILTER (WHERE due_at < now()))::int AS overdue
      FROM lethe.erasure WHERE state IN ('scheduled', 'running', 'awaiting', 'stalled') AND NOT canary GROUP BY state`);
  const [sweep] = await db.select({ at: duty.doneAt }).from(duty).where(eq(duty.name, 'sweep'));
  const [mails] = await db.execute<{ count: number; outcome: string | null }>(sql`
    SELECT count(*)::int AS count, mode() WITHIN GROUP (ORDER BY outcome) AS outcome
      FROM (SELECT outcome FROM lethe.notification WHERE state = 'pending' AND outcome IS NOT NULL
             LIMIT ${MOST_MAILS}) AS waiting`);
  return {
    states: Object.fromEntries(rows.map((row) => [row.state, row.count])),
    held: rows.reduce((sum, row) => sum + row.held, 0),
    overdue: rows.reduce((sum, row) => sum + row.overdue, 0),
    mails: mails?.outcome ? { count: mails.count, outcome: mails.outcome } : null,
    sweptAt: sweep?.at ?? null,
  };
}

const MAIL = {
  erasureId: notification.erasureId,
  kind: notification.kind,
  state: notification.state,
  attempt: notification.attempt,
  outcome: notification.outcome,
  nextAt: notification.nextAt,
  finishedAt: notification.finishedAt,
};

/** A mail without its address: that is nobody's business but the provider's. */
export type Mail = Awaited<ReturnType<typeof readMails>>[number];

/** The mails of these erasures, oldest first. */
export async function readMails(db: Executor, erasureIds: readonly string[]) {
  if (erasureIds.length === 0) return [];
  return db
    .select(MAIL)
    .from(notification)
    .where(inArray(notification.erasureId, [...erasureIds]))
    .orderBy(asc(notification.createdAt));
}

/** What progress does not say about a location: how often it was tried, in which pass, and until when. */
export type TaskFacts = Awaited<ReturnType<typeof readTasks>>[number];

/** The tasks of an erasure in the order of their stages. */
export async function readTasks(db: Executor, erasureId: string) {
  return db
    .select({
      location: task.location,
      kind: task.kind,
      action: task.action,
      stage: task.stage,
      attempts: task.attempts,
      pass: task.pass,
      dueAt: task.dueAt,
      startedAt: task.startedAt,
      finishedAt: task.finishedAt,
    })
    .from(task)
    .where(eq(task.erasureId, erasureId))
    .orderBy(asc(task.stage), asc(task.location));
}
