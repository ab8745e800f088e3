import type { Day } from './days.ts';
import type { Destination, Listed } from './destination.ts';
import { MANIFEST, type Manifest, parseManifest } from './manifest.ts';

/** A reader of the manifest before has so long to read its files. Shorter than a day, so that the next daily run ends it. */
export const GRACE_MS = 20 * 3_600_000;

/**
 * The files that nobody needs: no manifest has named them for the grace. A file lost its name when the manifest was replaced, and
 * one that was never named may be a builder's that is still at work.
 */
export function leftOver(
  listed: readonly Listed[],
  manifest: Manifest | null,
  now: number,
  graceMs = GRACE_MS,
): string[] {
  const named = new Set([MANIFEST, ...(manifest?.files ?? []).map(({ name }) => name)]);
  const replacedAt = listed.find(({ name }) => name === MANIFEST)?.modifiedAt.getTime() ?? 0;
  return listed
    .filter(({ name, modifiedAt }) => !named.has(name) && now - Math.max(replacedAt, modifiedAt.getTime()) > graceMs)
    .filter(({ name }) => isOurs(name))
    .map(({ name }) => name);
}

/** A file of another program in the same folder is none of ours. */
const isOurs = (name: string): boolean =>
  /^part-\d{5}-[0-9a-f]{16}\.(parquet|ndjson)$/.test(name) || /^\.[0-9a-f-]{36}\.tmp$/.test(name);

/** A day as it stands there. `manifest`: null where there is none, or none that can be read. */
export type Found = {
  readonly listed: readonly Listed[];
  readonly text: string | null;
  readonly manifest: Manifest | null;
};

/** Reads the manifest after the list: what it names since then is not taken for left over. */
export async function lookAt(destination: Destination, day: Day): Promise<Found> {
  const listed = await destination.listFiles(day);
  const text = await destination.readManifest(day);
  return { listed, text, manifest: parseManifest(text, day) };
}

/** Deletes what is left over in a day's folder. */
export async function cleanDay(destination: Destination, day: Day, { listed, text, manifest }: Found): Promise<void> {
  // A manifest of a later version names files that this one does not understand.
  if (text !== null && manifest === null) return;
  const names = leftOver(listed, manifest, Date.now());
  if (names.length > 0) await destination.remove(day, names);
}
