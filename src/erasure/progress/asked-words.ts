import { type Asked, isAccepted, MOST_CALLS } from './asked.ts';

/** A moment in the words of whoever shows it. */
type When = (at: Date) => string;

/** How it stands with a partner, in a few words. */
export function askedState(asked: Asked, now: Date): string {
  const { openSince, pausedUntil, askedAt } = asked;
  if (openSince) return 'Circuit open';
  if (pausedUntil && pausedUntil > now) return 'Paused by the partner';
  if (isAccepted(asked)) return 'Accepted, acknowledgement awaited';
  if (isBeingAsked(asked, now)) return 'Being asked';
  return askedAt ? 'Asked' : 'To be asked';
}

/** What is known of it, in sentences without their full stops: what it waits for, its last answer, tries, the next one. */
export function askedWords(asked: Asked, now: Date, when: When): string[] {
  const { tries } = asked;
  const next = nextTryWords(asked, now, when);
  return [
    ...standingWords(asked, now, when),
    ...(tries > 0 ? [`${tries} ${tries === 1 ? 'try' : 'tries'} without success`] : []),
    ...(isBeingAsked(asked, now) ? ['It is being asked now'] : []),
    ...(next ? [`${isAccepted(asked) ? 'Asked again' : 'Next try'} ${next}`] : []),
    ...outstandingWords(asked),
  ];
}

/** Of these sentences, those that say what it waits for, and its last answer. */
export function standingWords(asked: Asked, now: Date, when: When): string[] {
  const { openSince, pausedUntil, accepted, waiting, askedAt, lastAnswer, lastAt } = asked;
  return [
    ...(openSince ? [`Circuit open since ${when(openSince)}`] : []),
    ...(pausedUntil && pausedUntil > now ? [`Paused until ${when(pausedUntil)}, as the partner has asked`] : []),
    ...(askedAt && waiting > accepted ? [`Asked first at ${when(askedAt)}`] : []),
    ...(accepted > 0 ? [`${isAccepted(asked) ? 'Accepted' : `${accepted} accepted`}, acknowledgement awaited`] : []),
    ...(lastAnswer ? [`Last answer${lastAt ? ` at ${when(lastAt)}` : ''}: ${lastAnswer}`] : []),
  ];
}

/** How many calls are outstanding, where it is more than one. */
export const outstandingWords = ({ waiting }: Asked): string[] =>
  waiting > 1 ? [`${waiting === MOST_CALLS ? 'At least ' : ''}${waiting} calls outstanding`] : [];

/** When it is asked (again): `at 14:00`, `any moment`. Null while it is being asked, and where nobody knows. */
export function nextTryWords(asked: Asked, now: Date, when: When): string | null {
  const { nextTryAt, openSince } = asked;
  if (!nextTryAt || isBeingAsked(asked, now)) return null;
  const next = nextTryAt > now ? `at ${when(nextTryAt)}` : 'any moment';
  return `${next}${openSince ? ', or once a probe is answered' : ''}`;
}

const isBeingAsked = ({ askingUntil }: Asked, now: Date): boolean => askingUntil !== null && askingUntil > now;
