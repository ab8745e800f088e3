import { type SQL, sql } from 'drizzle-orm';
import { ACCOUNT_OWNER } from '../../catalog/live/owners.ts';
import type { Catalog } from '../../catalog/live/types.ts';
import { isAsked } from '../../locations/asked.ts';
import type { Executor } from '../../store/client.ts';
import type { Erasure } from './states.ts';

type Dated = Pick<Erasure, 'id' | 'requestedAt' | 'dueAt'>;

/**
 * Gives an erasure a task for each location and for the account's own row. Run again by each step: a
 * location that came into the catalog after the request would be erased without evidence.
 */
export async function ensureTasks(db: Executor, catalog: Catalog, of: Dated): Promise<void> {
  await db.execute(insertTasks(of.id, tasksOf(catalog, of)));
}

/** Its tasks, as one parameter. */
export function tasksOf(catalog: Catalog, of: Dated): string {
  const due = (slaMs: number | undefined) =>
    slaMs === undefined ? of.dueAt : new Date(Math.min(of.dueAt.getTime(), of.requestedAt.getTime() + slaMs));
  const locations = catalog.locations.map((l) => ({
    location: l.name,
    kind: l.kind,
    action: l.action,
    owner: l.owner,
    stage: l.stage,
    due_at: due(l.slaMs),
  }));
  const account = {
    location: catalog.account.table,
    kind: 'account',
    action: 'delete',
    owner: ACCOUNT_OWNER,
    stage: Math.max(-1, ...catalog.locations.filter((l) => !isAsked(l)).map((l) => l.stage)) + 1,
    rows_planned: 1,
    due_at: of.dueAt,
  };
  return JSON.stringify([...locations, account]);
}

/** The statement that inserts them, which another one may take along. `done`: so are they. */
export function insertTasks(erasureId: string, tasks: string, done = false): SQL {
  const state = done ? sql`'done', now(), now()` : sql`'pending', NULL, NULL`;
  return sql`
    INSERT INTO lethe.task (erasure_id, state, started_at, finished_at,
                            location, kind, action, owner, stage, rows_planned, due_at)
    SELECT ${erasureId}::uuid, ${state}, t.*
      FROM jsonb_to_recordset(${tasks}::jsonb)
        AS t (location text, kind text, action text, owner text, stage int, rows_planned bigint, due_at timestamptz)
    ON CONFLICT DO NOTHING`;
}
