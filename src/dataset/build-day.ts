import { LetheError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { Database } from '../store/client.ts';
import { cleanDay, lookAt } from './clean-day.ts';
import { type Day, type Kept, keptOf, type Retention } from './days.ts';
import type { Destination } from './destination.ts';
import { MANIFEST, type Manifest, manifestOf, parseManifest, printManifest } from './manifest.ts';
import { readPartition, recordPartition } from './partitions.ts';
import { writeParts } from './write-parts.ts';

/** What days are built with. */
export type Building = {
  readonly db: Database;
  readonly settings: Retention;
  readonly destination: Destination;
  readonly log: Logger;
  readonly signal?: AbortSignal | undefined;
};

/**
 * Builds a day that has ended: its files first, then the manifest that names them. Any number of processes may do it at once.
 * Each puts its files there before it replaces the manifest, and nobody deletes a file that may be named yet. `now` is the
 * database's. Returns the manifest, and whether it is another one than before.
 */
export async function buildDay(
  building: Building,
  day: Day,
  now: Date,
): Promise<{ manifest: Manifest; changed: boolean }> {
  const { db, destination, settings, signal } = building;
  const text = await destination.readManifest(day);
  const before = parseManifest(text, day);
  const kept = keptAfter(before, keptOf(day, now, settings));
  const files = await writeParts(db, destination, { day, kept, signal });
  const rows = files.filter(({ format }) => format === 'parquet').reduce((sum, file) => sum + file.rows, 0);
  const remembered = await readPartition(db, day);
  const manifest = manifestOf({ date: day, rows, ...kept, files }, { manifest: before, remembered });
  const changed = printManifest(manifest) !== text;
  if (changed) {
    signal?.throwIfAborted();
    // Another builder has been faster. What it wrote must not be replaced by another day of the same revision.
    if ((await destination.readManifest(day)) !== text) return buildDay(building, day, now);
    // A day without an erasure has no file, and its folder still has to be there.
    await destination.preparing(day);
    await destination.writeManifest(day, printManifest(manifest));
  }
  await proveWhole(destination, manifest);
  await recordPartition(db, manifest);
  await cleanDay(destination, day, await lookAt(destination, day));
  return { manifest, changed };
}

/** What was taken out of a day does not come back, whatever the retention is now: the ledger has forgotten it. */
const keptAfter = (before: Manifest | null, kept: Kept): Kept => ({
  keys: kept.keys && before?.keys !== false,
  digests: kept.digests && before?.digests !== false,
});

/** The names that a manifest has, and its own, are there with their sizes. */
export const isWhole = (manifest: Manifest, listed: readonly { name: string; bytes: number }[]): boolean => {
  const sizes = new Map(listed.map(({ name, bytes }) => [name, bytes]));
  return sizes.has(MANIFEST) && manifest.files.every(({ name, bytes }) => sizes.get(name) === bytes);
};

/** A destination may lose what it has confirmed. Then the partition must count as missing, and is built again. */
async function proveWhole(destination: Destination, manifest: Manifest): Promise<void> {
  if (isWhole(manifest, await destination.listFiles(manifest.date))) return;
  throw new LetheError(
    'dataset_unavailable',
    `${destination.words}: it has lost what was written for ${manifest.date}`,
  );
}
