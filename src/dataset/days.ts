import { sql } from 'drizzle-orm';
import type { Executor } from '../store/client.ts';
import { readClock } from '../store/clock.ts';
import { fromMs, inMs } from '../store/milliseconds.ts';

/** A UTC date, as `2026-11-27`. */
export type Day = string;

const DAY_MS = 86_400_000;

/** When a day begins, in milliseconds since 1970. It ends where the next one begins. */
export const startOf = (day: Day): number => Date.parse(`${day}T00:00:00Z`);

export const endOf = (day: Day): number => startOf(day) + DAY_MS;

/**
 * Until when a day's partition is to be there, in milliseconds since 1970. `slaMs`: from the end of the day until then,
 * as the catalog's `sla` of the dataset says.
 */
export const dueAtOf = (day: Day, slaMs: number): number => endOf(day) + slaMs;

/** The day that a moment lies in. */
export const dayOf = (ms: number): Day => new Date(ms).toISOString().slice(0, 10);

export const nextDay = (day: Day): Day => dayOf(endOf(day));

/** The days from one to another, both of them included; none where the second is before the first. */
export function daysBetween(from: Day, to: Day): Day[] {
  const days: Day[] = [];
  for (let day = from; day <= to; day = nextDay(day)) days.push(day);
  return days;
}

/** The day that a person has written; null: it is none. */
export function parseDay(text: string): Day | null {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return null;
  const ms = startOf(text);
  return Number.isNaN(ms) || dayOf(ms) !== text ? null : text;
}

/** What of a day its files may say still. */
export type Kept = { readonly keys: boolean; readonly digests: boolean };

export type Retention = { readonly ledgerRetentionMs: number; readonly evidenceRetentionMs: number };

/**
 * Whether a day's keys and digests are kept. Counted from where the day begins, as its first erasure is scrubbed first:
 * a file must not outlive the ledger's key.
 */
export const keptOf = (day: Day, now: Date, { ledgerRetentionMs, evidenceRetentionMs }: Retention): Kept => ({
  keys: now.getTime() < startOf(day) + ledgerRetentionMs,
  digests: now.getTime() < startOf(day) + evidenceRetentionMs,
});

/** The days that must be there: from the first to the last ended one. Null: none has ended since the first event. */
export type Due = { readonly from: Day; readonly to: Day };

/** What day it is, and which days are due, by the database's clock. */
export async function readDue(db: Executor, retention: Retention): Promise<{ now: Date; due: Due | null }> {
  const now = await readClock(db);
  const first = await readFirstDay(db);
  const to = dayOf(startOf(dayOf(now.getTime())) - 1);
  if (first === null) return { now, due: null };
  // The first day that begins within the retention: older ones have no keys any more.
  const kept = nextDay(dayOf(now.getTime() - retention.ledgerRetentionMs));
  const from = [first, kept].sort().at(-1) as Day;
  return { now, due: from > to ? null : { from, to } };
}

/** The day of the first event of all: Lethe did nothing before. */
async function readFirstDay(db: Executor): Promise<Day | null> {
  const [row] = await db.execute<{ at: number }>(
    sql`SELECT ${inMs(sql`at`)} AS at FROM lethe.event ORDER BY id LIMIT 1`,
  );
  return row ? dayOf(fromMs(row.at).getTime()) : null;
}
