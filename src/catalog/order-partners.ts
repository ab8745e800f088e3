import { type AskedLocation, isAsked } from '../locations/asked.ts';
import type { Location } from './live/types.ts';

/**
 * Orders partners by `after` and `before`. One that a table, or the account, waits for is asked early; the others are asked
 * when the account is gone, stage after stage. Tables keep their order. In words what cannot be ordered.
 */
export function orderPartners(
  locations: readonly Location[],
  account: string,
): { errors: string[]; locations: Location[] } {
  const asked = new Map(locations.filter(isAsked).map((l) => [l.name, l]));
  const inside = new Set([account, ...locations.filter((l) => !isAsked(l)).map((l) => l.name)]);
  const isEarly = (l: AskedLocation) => l.before.some((name) => inside.has(name));
  const last = Math.max(0, ...locations.filter((l) => !isAsked(l)).map((l) => l.stage));
  const depth = (l: AskedLocation, seen: ReadonlySet<string> = new Set()): number => {
    const first = [...asked.values()].filter((o) => l.after.includes(o.name) || o.before.includes(l.name));
    const behind = first.filter((o) => !seen.has(o.name));
    return Math.max(0, ...behind.map((o) => 1 + depth(o, new Set([...seen, l.name]))));
  };
  const ordered = locations.map((l) =>
    isAsked(l) ? { ...l, early: isEarly(l), stage: (isEarly(l) ? 0 : last + 2) + depth(l) } : l,
  );
  return { errors: [], locations: ordered };
}
