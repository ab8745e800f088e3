import { type Asked, MOST_CALLS } from './asked.ts';

/** A moment in the words of whoever shows it. */
type When = (at: Date) => string;

/** How it stands with a partner, in a few words. */
export function askedState(
  { openSince, pausedUntil, askingUntil, waiting, accepted, askedAt }: Asked,
  now: Date,
): string {
  if (openSince) return 'Circuit open';
  if (pausedUntil && pausedUntil > now) return 'Paused by the partner';
  if (accepted === waiting) return 'Accepted, acknowledgement awaited';
  if (askingUntil && askingUntil > now) return 'Being asked';
  return askedAt ? 'Asked' : 'To be asked';
}

/** What is known of it, in sentences without their full stops: what it waits for, its last answer, tries, the next one. */
export function askedWords(asked: Asked, now: Date, when: When): string[] {
  const { openSince, pausedUntil, askingUntil, accepted, waiting, tries, askedAt, lastAnswer, lastAt, nextTryAt } =
    asked;
  const asking = askingUntil !== null && askingUntil > now;
  const next = nextTryAt && (nextTryAt > now ? `at ${when(nextTryAt)}` : 'any moment');
  return [
    ...(openSince ? [`Circuit open since ${when(openSince)}`] : []),
    ...(pausedUntil && pausedUntil > now ? [`Paused until ${when(pausedUntil)}, as the partner has asked`] : []),
    ...(askedAt && waiting > accepted ? [`Asked first at ${when(askedAt)}`] : []),
    ...(accepted > 0 ? [`${accepted === waiting ? 'Accepted' : `${accepted} accepted`}, acknowledgement awaited`] : []),
    ...(lastAnswer ? [`Last answer${lastAt ? ` at ${when(lastAt)}` : ''}: ${lastAnswer}`] : []),
    ...(tries > 0 ? [`${tries} ${tries === 1 ? 'try' : 'tries'} without success`] : []),
    ...(asking ? ['It is being asked now'] : []),
    ...(next && !asking
      ? [
          `${accepted === waiting ? 'Asked again' : 'Next try'} ${next}${openSince ? ', or once a probe is answered' : ''}`,
        ]
      : []),
    ...(waiting > 1 ? [`${waiting === MOST_CALLS ? 'At least ' : ''}${waiting} calls outstanding`] : []),
  ];
}
