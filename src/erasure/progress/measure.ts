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
  /** Of the first `MOST_ERASURES` erasures of each state. */
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

/** Those that began first have the oldest deadlines. More of them would take longer than the statement may. */
const MOST_ERASURES = 5_000;

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
 * number: it is no user's. `mostErasures`: of each state, those whose overdue tasks are counted.
 */
export async function measureBacklog(db: Database, mostErasures = MOST_ERASURES): Promise<Measures> {
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
    // Each erasure is a look into an index. As a join it looked cheaper to walk through all tasks, those of finished ones too.
    const [tasks] = await tx.execute<{ n: number }>(sql`
      SELECT coalesce(sum(t.n), 0)::int AS n FROM unnest(${sql.param([...LIVE])}::text[]) AS s (state)
       CROSS JOIN LATERAL (SELECT id FROM lethe.erasure WHERE state = s.state AND ${IS_LIVE} AND NOT canary
                            ORDER BY starts_at LIMIT ${mostErasures}) AS e
       CROSS JOIN LATERAL (SELECT count(*) AS n FROM lethe.task
                            WHERE erasure_id = e.id AND due_at < now() AND state NOT IN ('done', 'retained')) AS t`);
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
