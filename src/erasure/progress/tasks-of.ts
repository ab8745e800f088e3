import { type SQL, sql } from 'drizzle-orm';

export const TASKS = ['open', 'late', 'failing'] as const;
/** Tasks of one owner that are not done, or of these those that are late or fail. */
export type TasksOf = { owner: string; which: (typeof TASKS)[number] };

/** Erasures that are looked at, the oldest of each state: there may be a million. */
export const MOST_LOOKED_AT = 2000;
const MOST_CALLS = 100;
/** Tries in vain from which on a partner fails. */
const TRIES = 3;

const AWAY = sql`EXISTS (SELECT FROM lethe.partner p WHERE p.name = t.location AND p.opened_at IS NOT NULL)`;
const IN_VAIN = sql`(SELECT max(attempts) FROM (
  SELECT attempts FROM lethe.call WHERE task_id = t.id AND settled_at IS NULL LIMIT ${MOST_CALLS}) AS c) >= ${TRIES}`;

const WHICH: Record<TasksOf['which'], SQL> = {
  open: sql`true`,
  late: sql`t.due_at < now()`,
  failing: sql`(t.state = 'failed' OR t.last_error IS NOT NULL OR (t.state = 'awaiting' AND (${AWAY} OR ${IN_VAIN})))`,
};

/**
 * A condition on `lethe.erasure`: it has begun, is not on hold, is no test data, and has such a task. The states are
 * literals, so that the partial index of live erasures fits.
 */
export function withTasksOf({ owner, which }: TasksOf): SQL {
  const oldest = sql.join(
    ['running', 'awaiting', 'stalled'].map(
      (state) => sql`(SELECT * FROM lethe.erasure WHERE state = ${sql.raw(`'${state}'`)}
                       ORDER BY starts_at LIMIT ${MOST_LOOKED_AT})`,
    ),
    sql` UNION ALL `,
  );
  // Not EXISTS: where there are many tasks of the owner, the planner would read all of them for it.
  return sql`lethe.erasure.id = ANY(ARRAY(SELECT e.id FROM (${oldest}) AS e CROSS JOIN LATERAL (
    SELECT FROM lethe.task t WHERE t.erasure_id = e.id AND t.owner = ${owner}
       AND t.state NOT IN ('done', 'retained') AND ${WHICH[which]} LIMIT 1) AS one
     WHERE e.held_at IS NULL AND e.started_at IS NOT NULL AND NOT e.canary))`;
}
