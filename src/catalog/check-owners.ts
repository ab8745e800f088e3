import type { Declaration } from './live/declared.ts';
import { nearest } from './live/nearest.ts';
import { answersFor, ownersOf } from './live/owners.ts';

type Parsed = Pick<Declaration, 'locations' | 'owners' | 'canary' | 'dataset'>;

/**
 * Owners that are probably misspelt, in words. An entry of `owners` may answer for nothing, so that its team is never
 * told. Or who answers for something is none of them, and one of them is meant.
 */
export function findStrangeOwners(declared: Parsed): string[] {
  const listed = (declared.owners ?? []).map(({ owner }) => owner);
  const known = ownersOf(declared);
  const idle = listed.flatMap((owner, n) => {
    if (known.includes(owner)) return [];
    const meant = nearest(owner, known);
    return [
      `owners.${n}: ${owner} answers for nothing${meant === undefined ? ', and is never told' : `: did you mean ${meant}?`}`,
    ];
  });
  const misspelt = answersFor(declared).flatMap(({ owner, place }) => {
    const meant = listed.includes(owner) ? undefined : nearest(owner, listed);
    return meant === undefined ? [] : [`${place}: the owner ${owner} is not in owners: did you mean ${meant}?`];
  });
  return [...idle, ...misspelt];
}
