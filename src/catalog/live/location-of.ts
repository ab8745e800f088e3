import { LetheError } from '../../errors.ts';

/** The location of this name. Throws `location_missing`: an erasure cannot go on without it. */
export function locationOf<L extends { readonly name: string }>(locations: readonly L[], name: string): L {
  const location = locations.find((l) => l.name === name);
  if (!location) throw new LetheError('location_missing', `${name} is not in the catalog any more`);
  return location;
}
