import { sanitize } from '../store/sql-errors.ts';
import { type Building, buildDay, isWhole } from './build-day.ts';
import { cleanDay, lookAt } from './clean-day.ts';
import { type Day, type Due, daysBetween, keptOf, readDue } from './days.ts';
import { recordMissing, recordPartition } from './partitions.ts';
import { countDay } from './read-day.ts';

export type Built = { readonly looked: number; readonly built: number };

/**
 * Builds what is not there or not as it should be. Days that readers wait for come before older ones, and the oldest of them
 * first. Ended days within the ledger's retention must have as many rows as events. Older ones must have no keys any more, and
 * no digests in the end. A day that cannot be built keeps no other one from it. Rejects with the first failure, in the end.
 */
export async function buildDue(building: Building): Promise<Built> {
  const { db, destination, settings, signal, log } = building;
  const { now, due } = await readDue(db, settings);
  const there = await destination.listDays();
  const days = [...dueDays(due), ...there.filter((day) => due === null || day < due.from)];
  const failures: unknown[] = [];
  let built = 0;
  for (const day of days) {
    signal?.throwIfAborted();
    try {
      if (await isAsItShouldBe(building, day, now, isIn(due, day))) continue;
      await recordMissing(db, day);
      const { manifest, changed } = await buildDay(building, day, now);
      built++;
      const { revision, rows, restates } = manifest;
      log.info({ day, revision, rows, changed, reason: restates?.reason }, 'dataset: a day was built');
    } catch (error) {
      signal?.throwIfAborted();
      failures.push(error);
      const what = isIn(due, day) ? 'a day was not built' : 'a day may have keys that the ledger has forgotten';
      const { code, detail } = sanitize(error);
      log.error({ day, code, detail }, `dataset: ${what}`);
      if (!(await isReached(building))) break;
    }
  }
  if (failures.length > 0) throw failures[0];
  return { looked: days.length, built };
}

/** False: the database or the destination is away for all days, and each would wait for it in vain. */
async function isReached({ db, destination, settings }: Building): Promise<boolean> {
  try {
    await readDue(db, settings);
    await destination.listDays();
    return true;
  } catch {
    return false;
  }
}

const dueDays = (due: Due | null): Day[] => (due ? daysBetween(due.from, due.to) : []);

const isIn = (due: Due | null, day: Day): boolean => due !== null && due.from <= day && day <= due.to;

/**
 * The manifest and its files are there, say no more than they may, and have as many rows as the ledger has events. What nobody
 * needs beside them is deleted then.
 */
async function isAsItShouldBe({ db, destination, settings }: Building, day: Day, now: Date, counted: boolean) {
  const found = await lookAt(destination, day);
  const { text, manifest, listed } = found;
  // What is older than the retention and has no manifest is not there, and need not be.
  if (text === null && counted) return false;
  if (text !== null) {
    // The files behind a manifest that cannot be read may have keys, whatever its day is.
    if (!manifest || !isWhole(manifest, listed)) return false;
    const kept = keptOf(day, now, settings);
    if ((manifest.keys && !kept.keys) || (manifest.digests && !kept.digests)) return false;
    if (counted && manifest.rows !== (await countDay(db, day))) return false;
    await recordPartition(db, manifest);
  }
  await cleanDay(destination, day, found);
  return true;
}
