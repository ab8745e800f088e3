import { sql } from 'drizzle-orm';
import type { Executor } from '../db/client.ts';
import type { Erasure } from './states.ts';

export type LocationProgress = {
  name: string;
  owner: string;
  state: string;
  rowsDeleted: number;
  /** Null until planned. */
  rowsPlanned: number | null;
  lastError: string | null;
};
export type Progress = {
  rowsDeleted: number;
  rowsPlanned: number | null;
  /** 0 to 100, whole; 100 only when completed. Null until planned. */
  percent: number | null;
  etaSeconds: number | null;
  locations: LocationProgress[];
};

type Row = {
  name: string;
  owner: string;
  state: string;
  lastError: string | null;
  planned: number | null;
  deleted: number;
  through: number;
  outside: number;
};

/**
 * Progress from the ledger. A finished chunk counts as whole, because rows may have moved away
 * between planning and deleting; `rowsDeleted` is what was really deleted.
 */
export async function readProgress(db: Executor, of: Erasure): Promise<Progress> {
  const rows = await db.execute<Row>(sql`
    SELECT t.location AS name, t.owner, t.state, t.last_error AS "lastError", t.rows_planned::float8 AS planned,
           coalesce(sum(c.rows_deleted), 0)::float8 AS deleted,
           coalesce(sum(CASE WHEN c.finished_at IS NULL THEN least(c.rows_deleted, c.rows_planned) ELSE c.rows_planned END), 0)::float8 AS through,
           coalesce(sum(c.rows_planned) FILTER (WHERE c.pass = 0 AND t.kind = 'table'), 0)::float8 AS outside
      FROM lethe.task t LEFT JOIN lethe.chunk c ON c.task_id = t.id
     WHERE t.erasure_id = ${of.id}
     GROUP BY t.id ORDER BY t.stage, t.location`);
  const completed = of.state === 'completed';
  const locations = rows.map((row) => ({
    name: row.name,
    owner: row.owner,
    state: row.state,
    rowsDeleted: row.deleted,
    rowsPlanned: row.planned === null && !completed ? null : (row.planned ?? 0) + row.outside,
    lastError: row.lastError,
  }));
  const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0);
  const known = locations.every((l) => l.rowsPlanned !== null);
  const rowsPlanned = known ? sum(locations.map((l) => l.rowsPlanned as number)) : null;
  const through = sum(rows.map((row) => row.through));
  return {
    rowsDeleted: sum(locations.map((l) => l.rowsDeleted)),
    rowsPlanned,
    percent: completed
      ? 100
      : rowsPlanned === null
        ? null
        : Math.min(99, Math.floor((100 * through) / Math.max(1, rowsPlanned))),
    etaSeconds: estimateSeconds(of, through, rowsPlanned),
    locations,
  };
}

/** Seconds left at the average speed since the start; null while there is nothing to go by. */
function estimateSeconds(of: Erasure, through: number, planned: number | null): number | null {
  if (of.state === 'completed') return 0;
  if (of.state !== 'running' || !of.startedAt || planned === null || through === 0) return null;
  const elapsed = (Date.now() - of.startedAt.getTime()) / 1000;
  return Math.max(1, Math.round((elapsed / through) * Math.max(0, planned - through)));
}
