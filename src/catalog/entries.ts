import type { Kind } from '../locations/kind.ts';
import type { Kinds } from '../locations/kinds/registry.ts';
import { nearest } from './issue-words.ts';
import type { DeclaredLocation } from './live/declared.ts';
import { locationName } from './live/names.ts';

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

/**
 * The kind of an entry of `locations:`, by the key that it has; a misspelt key counts. Where there is one kind, every
 * entry is of it. A text says why no kind can be told.
 */
export function kindOfEntry(kinds: Kinds, written: unknown): Kind | string {
  const all = Object.values(kinds);
  const [first, ...others] = all;
  if (!first) throw new Error('there is no kind');
  if (others.length === 0 || !isObject(written) || Array.isArray(written)) return first;
  const [kind, second] = all.filter(({ entry }) => entry in written);
  if (kind && second)
    return `has both ${kind.entry} and ${second.entry}: an entry is one place, so give each an entry of its own`;
  if (kind) return kind;
  const entries = all.map(({ entry }) => entry);
  const meant = Object.keys(written).flatMap((key) => nearest(key, entries) ?? []);
  return (
    all.find(({ entry }) => entry === meant[0]) ??
    `say what kind of place it is, by one of these keys: ${entries.join(', ')}`
  );
}

/** An entry that was parsed, with what its kind calls it. */
export type Entry = {
  /** What it is called in progress and evidence. */
  name: string;
  /** Its place as it is written. */
  written: string;
  /** Its place however it is written, such as `public.posts`. */
  place: string;
  /** Tells it from other entries, of other kinds too: `table public.posts`. */
  unique: string;
};

/** Reads an entry that was parsed with these kinds. */
export function entryOf(kinds: Kinds, declared: DeclaredLocation): Entry {
  const kind = kindOfEntry(kinds, declared);
  if (typeof kind === 'string') throw new Error(kind);
  const partner = (declared as { partner?: string }).partner;
  const written = partner ?? String((declared as Record<string, unknown>)[kind.entry]);
  const place = kind.placeOf(declared);
  return {
    name: partner ?? locationName({ name: declared.name, table: written }),
    written,
    place,
    unique: `${kind.entry} ${place}`,
  };
}
