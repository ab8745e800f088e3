import type { Kind } from '../locations/kind.ts';
import type { Kinds } from '../locations/kinds/registry.ts';
import type { DeclaredLocation } from './live/declared.ts';
import { locationName } from './live/names.ts';
import { nearest } from './live/nearest.ts';

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
  const byPlace = all.find(({ entry }) => entry === meant[0]) ?? kindByOtherKeys(all, Object.keys(written));
  if (byPlace) return byPlace;
  const partners = all.filter(({ outside }) => outside).map(({ entry }) => `${entry}:`);
  return 'partner' in written && partners.length > 0
    ? `say how partner ${written.partner} is asked: ${partners.slice(0, -1).join(', ')} or ${partners.at(-1)}`
    : `say what kind of place it is, by one of these keys: ${entries.join(', ')}`;
}

/** The only kind that knows a key which is there: with `account:` an entry is a table, whose name is missing. */
function kindByOtherKeys(kinds: readonly Kind[], keys: readonly string[]): Kind | undefined {
  const known = kinds.filter(({ declare }) => keys.some((key) => key in declare.shape));
  return known.length === 1 ? known[0] : undefined;
}

/** The name of a partner's entry; undefined for any other. */
export const partnerOf = (entry: DeclaredLocation): string | undefined => (entry as { partner?: string }).partner;

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
  const partner = partnerOf(declared);
  const written = partner ?? String((declared as Record<string, unknown>)[kind.entry]);
  const place = kind.placeOf(declared);
  return {
    name: partner ?? locationName({ name: declared.name, table: written }),
    written,
    place,
    // However it is asked, a partner is one: its calls and its circuit stand under its name.
    unique: `${partner === undefined ? kind.entry : 'partner'} ${place}`,
  };
}
