import type { Declaration } from './declared.ts';

/** Who answers for the account's own row. */
export const ACCOUNT_OWNER = 'lethe';

type Parts = Pick<Declaration, 'locations' | 'canary' | 'dataset'>;

/** Who answers for which part of a catalog, and where that is written. The account's row is written nowhere. */
export const answersFor = ({ locations, canary, dataset }: Parts): { owner: string; place: string }[] => [
  ...locations.map(({ owner }, n) => ({ owner, place: `locations.${n}` })),
  ...(canary ? [{ owner: canary.owner, place: 'canary' }] : []),
  ...(dataset ? [{ owner: dataset.owner, place: 'dataset' }] : []),
];

/** Everybody who answers for something, by name. */
export const ownersOf = (parts: Parts): string[] =>
  [...new Set([ACCOUNT_OWNER, ...answersFor(parts).map(({ owner }) => owner)])].sort();
