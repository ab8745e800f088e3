import { sql } from 'drizzle-orm';
import { insideNames } from '../../locations/kinds/ask.ts';
import type { Context } from '../model/context.ts';
import type { Erasure } from '../model/states.ts';
import { predictMs } from '../model/throughput.ts';
import { type Asked, readAsked } from './asked.ts';

/** What reading progress needs. */
export type Reads = Pick<Context, 'db' | 'settings' | 'kinds'>;

export type LocationProgress = {
  name: string;
  /** `account`: the account's own row. */
  kind: string;
  /** What becomes of its data. */
  action: string;
  owner: string;
  state: string;
  rowsDeleted: number;
  /** Null until planned. */
  rowsPlanned: number | null;
  lastError: string | null;
  /** Where its answer is outstanding: how it stands with the partner. */
  asked?: Asked;
};
export type Progress = {
  rowsDeleted: number;
  rowsPlanned: number | null;
  /** 0 to 100, whole; 100 only when completed. Null until planned. */
  percent: number | null;
  etaSeconds: number | null;
  locations: LocationProgress[];
};

/** What `lethe.progress_of` says of a task. */
export type ProgressRow = {
  name: string;
  kind: string;
  action: string;
  owner: string;
  state: string;
  lastError: string | null;
  planned: number | null;
  deleted: number;
  through: number;
  outside: number;
  /** The account's own row: finishing takes time for all rows that were there. */
  account: boolean;
  /** Of the plan, unfinished. */
  chunks: number;
  /** Rows per millisecond of one job; null when never measured. */
  rate: number | null;
  /** Chunks that may run at once now; null while nobody decides the pace. */
  slots: number | null;
};

/** Progress from the ledger. */
export async function readProgress(ctx: Reads, of: Erasure): Promise<Progress> {
  const [row] = await ctx.db.execute<{ tasks: ProgressRow[] | null }>(sql`SELECT lethe.progress_of(${of.id}) AS tasks`);
  return withAsked(ctx, of, progressOf(ctx, of, row?.tasks ?? []));
}

/** Adds how it stands with partners. It asks the database only where one is outstanding. */
export async function withAsked({ db }: Pick<Context, 'db'>, { id }: Erasure, progress: Progress): Promise<Progress> {
  if (!progress.locations.some((l) => l.state === 'awaiting')) return progress;
  const asked = await readAsked(db, id);
  const locations = progress.locations.map((l) => ({ ...l, ...only(asked.get(l.name)) }));
  return { ...progress, locations };
}

const only = (asked: Asked | undefined) => (asked && asked.waiting > 0 ? { asked } : {});

/**
 * Progress from the rows of its tasks. A finished chunk counts as whole, because rows may have moved away
 * between planning and deleting; `rowsDeleted` is what was really deleted.
 */
export function progressOf(
  ctx: Pick<Context, 'settings' | 'kinds'>,
  of: Erasure,
  rows: readonly ProgressRow[],
): Progress {
  const completed = of.state === 'completed';
  const here = new Set(['account', ...insideNames(ctx.kinds)]);
  const locations = rows.map((row) => ({
    name: row.name,
    kind: row.kind,
    action: row.action,
    owner: row.owner,
    state: row.state,
    rowsDeleted: row.deleted,
    rowsPlanned: row.planned === null && !completed && row.state !== 'done' ? null : (row.planned ?? 0) + row.outside,
    lastError: row.lastError,
  }));
  const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0);
  // What outlives the account is planned when that is gone: until then it keeps nobody from counting the rest.
  const known = locations.every((l) => l.rowsPlanned !== null || !here.has(l.kind));
  const rowsPlanned = known ? sum(locations.map((l) => l.rowsPlanned ?? 0)) : null;
  const through = sum(rows.map((row) => row.through));
  return {
    rowsDeleted: sum(locations.map((l) => l.rowsDeleted)),
    rowsPlanned,
    percent: completed
      ? 100
      : rowsPlanned === null
        ? null
        : Math.min(99, Math.floor((100 * through) / Math.max(1, rowsPlanned))),
    etaSeconds: estimateSeconds(
      ctx,
      of,
      rows.filter((row) => here.has(row.kind)),
      rowsPlanned,
      through,
    ),
    locations,
  };
}

/**
 * Seconds of work left: predicted from the speed that was measured for each location, else at the
 * average speed since the start. Null before the plan, on hold, and while there is nothing to go by.
 */
function estimateSeconds(
  { settings }: Pick<Context, 'settings'>,
  of: Erasure,
  rows: readonly ProgressRow[],
  planned: number | null,
  through: number,
): number | null {
  if (of.state === 'completed') return 0;
  if (of.state !== 'running' || of.heldAt || !of.startedAt || planned === null) return null;
  const left = rows.map((row) => ({
    location: row.name,
    rows: row.account ? planned : Math.max(0, (row.planned ?? 0) + row.outside - row.through),
    rate: row.rate,
    chunks: row.chunks,
    serial: row.account,
  }));
  const predicted = predictMs(left, rows[0]?.slots ?? settings.slots, settings.chunkRows);
  if (predicted !== null) return Math.max(1, Math.round(predicted / 1000));
  if (through === 0) return null;
  const elapsed = (Date.now() - of.startedAt.getTime()) / 1000;
  return Math.max(1, Math.round((elapsed / through) * Math.max(0, planned - through)));
}
