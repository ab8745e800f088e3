import { sql } from 'drizzle-orm';
import type { Executor } from '../../store/client.ts';
import { throughput } from '../../store/schema.ts';

/** Rows after which a measurement counts about a third: a changed disk or index shows within one large account. */
const MEMORY_ROWS = 500_000;

/** Rows per millisecond that one chunk job deletes, by location. */
export type Rates = ReadonlyMap<string, number>;

/** Adds what one job measured: `rows` in `ms` milliseconds of its own time. */
export async function recordThroughput(db: Executor, location: string, rows: number, ms: number): Promise<void> {
  if (rows <= 0 || ms <= 0) return;
  const kept = sql`exp(-excluded.rows / ${MEMORY_ROWS}::float8)`;
  await db
    .insert(throughput)
    .values({ location, rows, ms })
    .onConflictDoUpdate({
      target: throughput.location,
      set: {
        rows: sql`lethe.throughput.rows * ${kept} + excluded.rows`,
        ms: sql`lethe.throughput.ms * ${kept} + excluded.ms`,
        measuredAt: sql`now()`,
      },
    });
}

/** Reads what is known; a location that was never measured is absent. */
export async function readRates(db: Executor): Promise<Rates> {
  const rows = await db.select().from(throughput);
  return new Map(rows.map((r) => [r.location, r.rows / r.ms]));
}

export type Work = {
  location: string;
  /** Rows still to delete. */
  rows: number;
  /** Rows per millisecond of one job, or null when it was never measured. */
  rate: number | null;
  /** Jobs that it is cut into; absent: `chunkRows` each. */
  chunks?: number;
  /** One transaction, whatever the slots: the account's own row. */
  serial?: boolean;
};

/**
 * Milliseconds that the work takes when nothing else runs. Stages come one after the other; within a location at most
 * `slots` chunks of `chunkRows` run at once. Null when a location with rows was never measured.
 */
export function predictMs(work: readonly Work[], slots: number, chunkRows: number): number | null {
  let total = 0;
  for (const { rows, rate, chunks, serial } of work) {
    if (rows <= 0) continue;
    if (rate === null) return null;
    total += rows / rate / (serial ? 1 : Math.min(slots, Math.max(1, chunks ?? Math.ceil(rows / chunkRows))));
  }
  return total;
}

/** Rows that one transaction may delete inside a request, whatever the time allows. */
export const MOST_IN_A_REQUEST = 100_000;
/** What counts as small where a threshold in time has no measured speed to go by. */
const UNMEASURED = 1_000;

/** Rows from which on a location is too much for a request: the threshold itself, or what its time allows. */
export function rowLimit(threshold: number | { readonly ms: number }, rowsInTime?: number): number {
  if (typeof threshold === 'number') return threshold;
  if (rowsInTime === undefined) return UNMEASURED;
  return Math.min(MOST_IN_A_REQUEST, Math.max(1, Math.ceil(rowsInTime)));
}
