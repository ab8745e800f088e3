import { sql } from 'drizzle-orm';
import type { Database } from '../../store/client.ts';
import { transaction } from '../../store/transaction.ts';
import { LIVE } from '../model/states.ts';

/** What the whole cluster has to do; ages and times in seconds. */
export type Measures = {
  states: Record<string, number>;
  /** Of the same states, those on hold. */
  held: Record<string, number>;
  oldestHold: number;
  oldestLive: number;
  dueNotStarted: number;
  /** The largest part of its deadline that an erasure has used which is neither on hold nor waiting for its start. */
  deadlineUsed: number;
  overdueErasures: number;
  overdueTasks: number;
  oldestMail: number;
  /** Null: no sweep has ever ended. */
  sweepDoneAt: number | null;
};

/**
 * Each of the two statements. Together, and with the pause before the lease of who asks is extended, they stay below
 * its 15 seconds. Otherwise one process after another would ask for what is too much for the database.
 */
const MEASURING = { statementMs: 4_500, lockMs: 2_000 } as const;

type Live = (typeof LIVE)[number];
type Row = Record<
  'hold_age' | 'live_age' | 'due_age' | 'mail_age' | 'used' | 'overdue' | Live | `held_${Live}`,
  number
> & {
  swept_at: number | null;
};

/** Written out as in the partial index: with a parameter in its place the planner could not use it. */
const IS_LIVE = sql.raw(`state IN (${LIVE.map((state) => `'${state}'`).join(', ')})`);

/**
 * Reads the backlog. Looks at live erasures only, so that ten million finished ones cost nothing. Test data is in no
 * number: it is no user's.
 */
export async function measureBacklog(db: Database): Promise<Measures> {
  return transaction(db, MEASURING, async (tx) => {
    // While the table is small a parallel walk through all of it looks cheaper; it would take the application's cores every time.
    await tx.execute(
      sql`SELECT set_config('enable_seqscan', 'off', true), set_config('max_parallel_workers_per_gather', '0', true)`,
    );
    const counts = sql.join(
      LIVE.map((state) =>
        sql.raw(`count(*) FILTER (WHERE state = '${state}')::int AS ${state},
                 count(*) FILTER (WHERE state = '${state}' AND held_at IS NOT NULL)::int AS held_${state}`),
      ),
      sql`, `,
    );
    const age = (since: string, where: string) =>
      sql.raw(`coalesce(extract(epoch FROM now() - min(${since}) FILTER (WHERE ${where})), 0)::numeric`);
    const [row] = await tx.execute<Row>(sql`
      SELECT ${counts},
             ${age('held_at', 'held_at IS NOT NULL')} AS hold_age, ${age('requested_at', 'true')} AS live_age,
             ${age('starts_at', "state = 'scheduled' AND starts_at <= now() AND held_at IS NULL")} AS due_age,
             coalesce(max(extract(epoch FROM now() - requested_at) / nullif(extract(epoch FROM due_at - requested_at), 0))
               FILTER (WHERE held_at IS NULL AND (state <> 'scheduled' OR starts_at <= now())), 0)::numeric AS used,
             count(*) FILTER (WHERE due_at < now())::int AS overdue,
             (SELECT ${age('created_at', 'true')} FROM lethe.notification WHERE state = 'pending') AS mail_age,
             (SELECT extract(epoch FROM done_at)::numeric FROM lethe.duty WHERE name = 'sweep') AS swept_at
        FROM lethe.erasure WHERE ${IS_LIVE} AND NOT canary`);
    const [tasks] = await tx.execute<{ n: number }>(sql`
      SELECT count(*)::int AS n FROM lethe.erasure e JOIN lethe.task t ON t.erasure_id = e.id
       WHERE e.${IS_LIVE} AND NOT e.canary AND t.due_at < now() AND t.state NOT IN ('done', 'retained')`);
    return {
      states: Object.fromEntries(LIVE.map((state) => [state, row?.[state] ?? 0])),
      held: Object.fromEntries(LIVE.map((state) => [state, row?.[`held_${state}`] ?? 0])),
      oldestHold: row?.hold_age ?? 0,
      oldestLive: row?.live_age ?? 0,
      dueNotStarted: row?.due_age ?? 0,
      deadlineUsed: row?.used ?? 0,
      overdueErasures: row?.overdue ?? 0,
      overdueTasks: tasks?.n ?? 0,
      oldestMail: row?.mail_age ?? 0,
      sweepDoneAt: row?.swept_at ?? null,
    };
  });
}
