import type { Location } from '../../catalog/live/types.ts';
import { isAsked } from '../../locations/asked.ts';

/** A partner's task, as far as a replay looks at it. */
export type PartnerTask = { id: number; location: string; state: string; finishedAt: Date | null };

/** Which partners are asked again. `since`: those that have acknowledged then or later. */
export type Which = { partner?: string | undefined; since?: Date | undefined };

/** What a replay does with one erasure: names of partners. */
export type Choice = {
  /** They have acknowledged, and are asked anew. */
  again: string[];
  /** They have not: what waits for its next try is due at once. */
  hurried: string[];
  /** They cannot be asked again, each with the reason in words. */
  left: { partner: string; why: string }[];
};

const GONE = 'the values that it was told were destroyed when it had acknowledged';

/**
 * What becomes of each partner's task. One that must be told values of rows cannot be asked again: they are kept only until
 * it has acknowledged. A task that is pending is asked by the next step anyway.
 */
export function choosePartners(
  tasks: readonly PartnerTask[],
  locations: readonly Location[],
  { partner, since }: Which,
): Choice {
  const choice: Choice = { again: [], hurried: [], left: [] };
  for (const { location: name, state, finishedAt } of tasks) {
    if (partner !== undefined && name !== partner) continue;
    const known = locations.find((l) => l.name === name);
    if (state === 'awaiting') choice.hurried.push(name);
    else if (state !== 'done' || (since && (finishedAt === null || finishedAt < since))) continue;
    else if (!known) choice.left.push({ partner: name, why: 'the catalog does not list it any more' });
    else if (!isAsked(known)) continue;
    else if (known.each || Object.keys(known.select).length > 0) choice.left.push({ partner: name, why: GONE });
    else choice.again.push(name);
  }
  return choice;
}
