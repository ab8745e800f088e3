import type { Location } from '../../catalog/live/types.ts';
import { LetheError } from '../../errors.ts';
import type { KeyValue } from '../../keys/types.ts';
import type { Transaction } from '../../store/client.ts';
import type { Carrier, Inside, Kind } from '../kind.ts';
import type { Kinds } from './registry.ts';

/** The kind of a location. A catalog holds only kinds that it was read with. */
export function kindOf(kinds: Kinds, { kind }: Pick<Location, 'kind'>): Kind {
  const found = kinds[kind];
  if (!found) throw new LetheError('location_missing', `this version knows no kind ${kind}`);
  return found;
}

/** How a location's outcome is carried out. */
export function carrierOf(kinds: Kinds, location: Location): Carrier {
  const carrier = kindOf(kinds, location).outcomes[location.action];
  if ('refused' in carrier) throw new LetheError('catalog_invalid', `${location.name}: ${carrier.refused}`);
  return carrier;
}

/** The kind whose data is in the account's own database: it takes part in the transactions that lock the account's row. */
export function insideKind(kinds: Kinds): Kind & { inside: Inside } {
  const found = Object.values(kinds).find((kind): kind is Kind & { inside: Inside } => kind.inside !== null);
  if (!found) throw new Error('no kind takes part in the last transaction');
  return found;
}

/** Names of the kinds that take part in the last transaction. */
export const insideNames = (kinds: Kinds): string[] =>
  Object.entries(kinds).flatMap(([name, { inside }]) => (inside ? [name] : []));

/** True for a location that may outlive the account: its kind takes no part in the last transaction. */
export const outlives = (kinds: Kinds, location: Location): boolean => kindOf(kinds, location).inside === null;

/** Names of those of `locations` where their outcome does not hold yet. */
export async function proveAll(
  kinds: Kinds,
  tx: Transaction,
  locations: readonly Location[],
  account: KeyValue,
): Promise<string[]> {
  const left: string[] = [];
  for (const group of byCarrier(kinds, locations))
    left.push(...(await group.carrier.prove(tx, group.locations, account)));
  return left;
}

/** Locations of the same kind and outcome, which one carrier takes at once. */
export function byCarrier(kinds: Kinds, locations: readonly Location[]): { carrier: Carrier; locations: Location[] }[] {
  const groups = new Map<Carrier, Location[]>();
  for (const location of locations) {
    const carrier = carrierOf(kinds, location);
    groups.set(carrier, [...(groups.get(carrier) ?? []), location]);
  }
  return [...groups].map(([carrier, of]) => ({ carrier, locations: of }));
}
