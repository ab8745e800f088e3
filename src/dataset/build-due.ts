import { type Building, buildDay, isWhole } from './build-day.ts';
import { cleanDay } from './clean-day.ts';
import { type Day, type Due, daysBetween, keptOf, readDue } from './days.ts';
import { parseManifest } from './manifest.ts';
import { recordMissing, recordPartition } from './partitions.ts';
import { countDay } from './read-day.ts';

export type Built = { readonly looked: number; readonly built: number };

/**
 * Builds what is not there or not as it should be, oldest day first. Ended days within the ledger's retention must have as many
 * rows as events. Older ones must have no keys any more, and no digests in the end. Rejects with the first failure. What was
 * built until then stays, and the next run goes on there.
 */
export async function buildDue(building: Building): Promise<Built> {
  const { db, destination, settings, signal, log } = building;
  const { now, due } = await readDue(db, settings);
  const there = await destination.listDays();
  const days = [...new Set([...there.filter((day) => due === null || day < due.from), ...dueDays(due)])].sort();
  let built = 0;
  for (const day of days) {
    signal?.throwIfAborted();
    if (await isAsItShouldBe(building, day, now, isIn(due, day))) {
      await cleanDay(destination, day);
      continue;
    }
    await recordMissing(db, day);
    const { manifest, changed } = await buildDay(building, day, now);
    built++;
    const { revision, rows, restates } = manifest;
    log.info({ day, revision, rows, changed, reason: restates?.reason }, 'dataset: a day was built');
  }
  return { looked: days.length, built };
}

const dueDays = (due: Due | null): Day[] => (due ? daysBetween(due.from, due.to) : []);

const isIn = (due: Due | null, day: Day): boolean => due !== null && due.from <= day && day <= due.to;

/** The manifest and its files are there, say no more than they may, and have as many rows as the ledger has events. */
async function isAsItShouldBe({ db, destination, settings }: Building, day: Day, now: Date, counted: boolean) {
  const text = await destination.readManifest(day);
  // What is older than the retention and has no manifest is not there, and need not be.
  if (text === null) return !counted;
  const manifest = parseManifest(text, day);
  // The files behind a manifest that cannot be read may have keys, whatever its day is.
  if (!manifest || !isWhole(manifest, await destination.listFiles(day))) return false;
  const kept = keptOf(day, now, settings);
  if ((manifest.keys && !kept.keys) || (manifest.digests && !kept.digests)) return false;
  if (counted && manifest.rows !== (await countDay(db, day))) return false;
  await recordPartition(db, manifest);
  return true;
}
