import type { Declaration, DeclaredLocation } from '../catalog/live/declared.ts';
import { locationName } from '../catalog/live/names.ts';

/** Who answers for the account's own row, and for erasures as a whole: whoever operates Lethe. */
export const OPERATORS = 'lethe';

/** A team, and the locations that it answers for, by the names that stand in labels. */
export type Answerable = {
  owner: string;
  contact: string | undefined;
  /** It stands under `owners:`, and so its alerts go to a receiver of its own. */
  listed: boolean;
  /** All of its locations, partners among them. */
  locations: string[];
  partners: string[];
};

type Watched = Pick<Declaration, 'locations' | 'owners' | 'canary' | 'dataset'>;

/** Every owner that a catalog names, in its order; the operators first. */
export function answerableOf(declared: Watched): Answerable[] {
  const named = [
    OPERATORS,
    ...declared.locations.map(({ owner }) => owner),
    ...(declared.owners ?? []).map(({ owner }) => owner),
    ...[declared.canary, declared.dataset].flatMap((part) => part?.owner ?? []),
  ];
  return [...new Set(named)].map((owner) => {
    const entry = declared.owners?.find((one) => one.owner === owner);
    const own = declared.locations.filter((location) => location.owner === owner);
    return {
      owner,
      contact: entry?.contact,
      listed: entry !== undefined,
      locations: own.map(nameOf),
      partners: own.flatMap((location) => partnerOf(location) ?? []),
    };
  });
}

const partnerOf = (location: DeclaredLocation): string | undefined => (location as { partner?: string }).partner;

/** A place that has neither name nor table is called by its partner. */
const nameOf = (location: DeclaredLocation): string =>
  partnerOf(location) ?? locationName(location as DeclaredLocation & { table: string });
