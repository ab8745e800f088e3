import { type Erasure, isFinal } from '../../../erasure/model/states.ts';
import type { Mail } from '../../../erasure/progress/overview.ts';
import { clockWords, momentWords, spanWords, whoWords } from './moments.ts';

type Facts = Pick<
  Erasure,
  | 'state'
  | 'newerAccountAt'
  | 'startsAt'
  | 'retryAt'
  | 'heldAt'
  | 'heldBy'
  | 'probeAt'
  | 'finishAttempts'
  | 'failures'
  | 'pass'
  | 'dueAt'
>;
type MailFacts = Pick<Mail, 'kind' | 'state' | 'attempt' | 'nextAt'>;

/** `mails`: those of the erasure. `etaSeconds`: work left, null when nobody can tell. */
export type Ahead = { mails: readonly MailFacts[]; etaSeconds: number | null };

/** True for an erasure that should be over by now. */
export const isOverdue = (of: Pick<Erasure, 'state' | 'dueAt'>, now: Date): boolean =>
  !isFinal(of.state) && of.dueAt < now;

/** True while an erasure is on hold. A hold on a final one says nothing any more. */
export const isHeld = (of: Pick<Erasure, 'state' | 'heldAt'>): boolean => of.heldAt !== null && !isFinal(of.state);

/** What happens next to an erasure, and when. One sentence without its full stop. */
export function nextStep(of: Facts, ahead: Ahead, now: Date): string {
  if (of.heldAt && isHeld(of))
    return `on hold since ${momentWords(of.heldAt, now)}, by ${whoWords(of.heldBy ?? 'nobody')}`;
  if (of.newerAccountAt && !isFinal(of.state))
    return 'is closed at its next step: another account has this key now, and is not touched';
  switch (of.state) {
    case 'scheduled':
      return of.startsAt > now
        ? `starts at ${momentWords(of.startsAt, now)}`
        : `starts any moment: it was due at ${momentWords(of.startsAt, now)}`;
    case 'running':
      return runningStep(of, ahead.etaSeconds);
    case 'awaiting':
      return 'waits for partners to confirm';
    case 'stalled':
      if (!of.retryAt) return 'waits for a replay by an operator';
      return of.retryAt > now
        ? `retries at the first sweep after ${momentWords(of.retryAt, now)}`
        : `retries at the next sweep: it was due at ${momentWords(of.retryAt, now)}`;
    default:
      return finalStep(of, ahead.mails, now);
  }
}

function runningStep(of: Facts, etaSeconds: number | null): string {
  if (of.failures > 0) return `tries again by itself: ${times(of.failures, 'step')} in a row failed`;
  if (of.finishAttempts > 0)
    return `finishing, waits for locks of the application: ${times(of.finishAttempts, 'attempt')} so far`;
  const again = of.pass > 1 ? `, pass ${of.pass}: rows had appeared meanwhile` : '';
  return etaSeconds === null
    ? `is being deleted${again}`
    : `done in ${etaSeconds < 60 ? '' : 'about '}${spanWords(etaSeconds * 1000)}${again}`;
}

function finalStep(of: Facts, mails: readonly MailFacts[], now: Date): string {
  const pending = mails.find((mail) => mail.state === 'pending');
  if (pending) {
    return pending.nextAt > now && pending.attempt > 0
      ? `mail pending, next try at ${momentWords(pending.nextAt, now)}`
      : 'mail pending';
  }
  if (mails.some((mail) => mail.kind === 'completed' && mail.state === 'failed'))
    return 'mail failed: tell the user by other means';
  if (mails.some((mail) => mail.kind === 'completed' && mail.state === 'uncertain'))
    return 'nobody knows whether the mail arrived: tell the user by other means';
  if (of.probeAt) return `looked at once more after ${clockWords(of.probeAt, now)}`;
  if (of.newerAccountAt) {
    const now = 'another account has this key now, and is not touched';
    return of.state === 'cancelled' ? `nothing: it was closed, ${now}` : `nothing: it is finished, and ${now}`;
  }
  return of.state === 'cancelled' ? 'nothing: it was undone' : 'nothing: it is finished';
}

const times = (count: number, what: string) => `${count} ${what}${count === 1 ? '' : 's'}`;
