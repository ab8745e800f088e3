import type { Catalog } from '../catalog/types.ts';
import type { Executor } from '../db/client.ts';
import { task } from '../db/schema.ts';
import type { Erasure } from './states.ts';

type Dated = Pick<Erasure, 'id' | 'requestedAt' | 'dueAt'>;

/**
 * Gives an erasure a task for each location and for the account's own row. Run again by each step: a
 * location that came into the catalog after the request would be erased without evidence.
 */
export async function ensureTasks(db: Executor, catalog: Catalog, of: Dated): Promise<void> {
  await insertTasks(db, catalog, of);
}

/** The statement that does it, which another one may take along. */
export function insertTasks(db: Executor, catalog: Catalog, of: Dated) {
  const due = (slaMs: number | undefined) =>
    slaMs === undefined ? of.dueAt : new Date(Math.min(of.dueAt.getTime(), of.requestedAt.getTime() + slaMs));
  const tables = catalog.locations.map((l) => ({
    erasureId: of.id,
    location: l.name,
    kind: 'table',
    action: l.action,
    owner: l.owner,
    stage: l.stage,
    dueAt: due(l.slaMs),
  }));
  const account = {
    erasureId: of.id,
    location: catalog.account.table,
    kind: 'account',
    action: 'delete',
    owner: 'lethe',
    stage: Math.max(...catalog.locations.map((l) => l.stage)) + 1,
    rowsPlanned: 1,
    dueAt: of.dueAt,
  };
  return db
    .insert(task)
    .values([...tables, account])
    .onConflictDoNothing();
}
