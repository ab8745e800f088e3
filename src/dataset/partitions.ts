import { sql } from 'drizzle-orm';
import type { Executor } from '../store/client.ts';
import { fromMs, inMs } from '../store/milliseconds.ts';
import { type Day, type Due, dayOf, daysBetween, dueAtOf, endOf, type Retention, readDue, startOf } from './days.ts';
import type { Manifest } from './manifest.ts';

/** A day as Postgres remembers it. What is there, the manifest says. */
export type Partition = {
  readonly day: Day;
  readonly revision: number;
  readonly rows: number;
  readonly keys: boolean;
  /** False: it is to be built again. */
  readonly whole: boolean;
  readonly builtAt: Date;
};

type Row = { day: string; revision: number; rows: string; keys: boolean; whole: boolean; built: number };

const COLUMNS = sql`to_char(day, 'YYYY-MM-DD') AS day, revision, rows::text AS rows, keys, whole,
  ${inMs(sql`built_at`)} AS built`;

const partitionOf = ({ day, revision, rows, keys, whole, built }: Row): Partition => ({
  day,
  revision,
  rows: Number(rows),
  keys,
  whole,
  builtAt: fromMs(built),
});

export async function readPartition(db: Executor, day: Day): Promise<Partition | null> {
  const [row] = await db.execute<Row>(sql`SELECT ${COLUMNS} FROM lethe.dataset_partition WHERE day = ${day}::date`);
  return row ? partitionOf(row) : null;
}

/** Every day that was written, newest first. */
export async function listPartitions(db: Executor): Promise<Partition[]> {
  const rows = await db.execute<Row>(
    sql`SELECT ${COLUMNS} FROM lethe.dataset_partition ORDER BY dataset_partition.day DESC`,
  );
  return rows.map(partitionOf);
}

/** Remembers what was written. A day that is whole and the same keeps the time at which it was written. */
export async function recordPartition(db: Executor, { date, revision, rows, keys }: Manifest): Promise<void> {
  await db.execute(sql`
    INSERT INTO lethe.dataset_partition (day, revision, rows, keys, built_at)
    VALUES (${date}::date, ${revision}, ${rows}, ${keys}, now())
    ON CONFLICT (day) DO UPDATE SET revision = excluded.revision, rows = excluded.rows, keys = excluded.keys,
      whole = true, built_at = excluded.built_at
     WHERE (dataset_partition.revision, dataset_partition.rows, dataset_partition.keys, dataset_partition.whole)
        IS DISTINCT FROM (excluded.revision, excluded.rows, excluded.keys, true)`);
}

/** Remembers that a day is not there as it should be, so that it counts as missing until it is built. */
export async function recordMissing(db: Executor, day: Day): Promise<void> {
  await db.execute(sql`UPDATE lethe.dataset_partition SET whole = false WHERE day = ${day}::date AND whole`);
}

/** How whole the dataset is. */
export type Standing = {
  readonly due: Due | null;
  /** Ended days that are not there, or not whole, oldest first. */
  readonly missing: readonly Day[];
  /** The end of the newest ended day up to which none is missing. */
  readonly completeUntil: Date;
  readonly now: Date;
};

/** Reads it from what Postgres remembers: a scrape or a page must not ask the destination. */
export async function readStanding(db: Executor, retention: Retention): Promise<Standing> {
  const { now, due } = await readDue(db, retention);
  if (due === null) return { due, missing: [], completeUntil: new Date(startOf(dayOf(now.getTime()))), now };
  const rows = await db.execute<{ day: string }>(sql`
    SELECT to_char(day, 'YYYY-MM-DD') AS day FROM lethe.dataset_partition
     WHERE day BETWEEN ${due.from}::date AND ${due.to}::date AND whole`);
  const there = new Set(rows.map(({ day }) => day));
  const missing = daysBetween(due.from, due.to).filter((day) => !there.has(day));
  const [first] = missing;
  return { due, missing, completeUntil: new Date(first === undefined ? endOf(due.to) : startOf(first)), now };
}

/** The days that are missing although their time is over, oldest first. `slaMs`: from the end of a day until it is there. */
export const lateOf = ({ missing, now }: Pick<Standing, 'missing' | 'now'>, slaMs: number): Day[] =>
  missing.filter((day) => dueAtOf(day, slaMs) < now.getTime());
