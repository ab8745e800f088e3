import { type Erasure, isFinal } from '../../../erasure/model/states.ts';
import type { LastAnswer } from '../../../erasure/progress/answers.ts';
import { type Asked, isAccepted } from '../../../erasure/progress/asked.ts';
import { askedState, nextTryWords, outstandingWords, standingWords } from '../../../erasure/progress/asked-words.ts';
import type { Interrupted } from '../../../erasure/progress/interruptions.ts';
import type { TaskFacts } from '../../../erasure/progress/overview.ts';
import type { LocationProgress } from '../../../erasure/progress/status.ts';
import { momentWords } from '../words/moments.ts';
import { isHeld } from '../words/next-step.ts';

/** How far a task is. `ahead`: its turn has not come. `waits`: for others, or for a time. `over`: done, or kept. */
export type Far = 'ahead' | 'now' | 'waits' | 'failed' | 'over';

/** One task of the line. Names and sentences may be of others: hostile, to be escaped. Sentences have no full stops. */
export type Stop = {
  name: string;
  /** Beside the name, in our own words. */
  note: string;
  owner: string;
  far: Far;
  state: string;
  since: Date | null;
  /** Rows of a location; absent: it has none. */
  rows?: Pick<LocationProgress, 'name' | 'state' | 'rowsDeleted' | 'rowsPlanned'>;
  /** Tries that failed. */
  tries: number;
  /** When it is tried next, or that it is not. */
  next: string | null;
  dueAt: Date | null;
  /** Not over although its deadline has passed. */
  late: boolean;
  about: readonly string[];
  /** The last error as the task keeps it. */
  error: string | null;
};

/** What is known of a task besides its progress. */
export type About = {
  facts: TaskFacts | undefined;
  /** The last answer of a partner that has settled it. */
  answer: LastAnswer | undefined;
  failedAt: Date | undefined;
  interrupted: Interrupted | undefined;
};

const STATES: Readonly<Record<string, string>> = {
  pending: 'Waiting',
  running: 'Deleting',
  awaiting: 'Waits for its owner’s confirmation',
  done: 'Done',
  failed: 'Failed',
  retained: 'Kept',
};
const FAR: Readonly<Record<string, Far>> = {
  pending: 'ahead',
  running: 'now',
  awaiting: 'waits',
  done: 'over',
  failed: 'failed',
  retained: 'over',
};

/** A location's task. */
export function stopOf(e: Erasure, location: LocationProgress, about: About, now: Date): Stop {
  const { state, asked, lastError } = location;
  const { facts } = about;
  const far = FAR[state] ?? 'waits';
  return {
    name: location.name,
    note: [
      ...(location.kind === 'account' ? ['the account’s own row, last'] : []),
      ...(facts && facts.pass > 1 ? [`pass ${facts.pass}`] : []),
    ].join(', '),
    owner: location.owner,
    far: asked?.openSince ? 'failed' : far,
    state: asked ? askedState(asked, now) : (STATES[state] ?? state),
    since: sinceOf(location, about),
    rows: location,
    tries: asked ? asked.tries : (facts?.attempts ?? 0),
    next: nextOf(e, location, now),
    dueAt: facts?.dueAt ?? null,
    late: facts !== undefined && far !== 'over' && !isFinal(e.state) && facts.dueAt < now,
    about: [...answersOf(asked, about.answer, now), ...interruptionOf(about.interrupted, now)],
    error: lastError,
  };
}

/** Since when it is in its state; null: nobody has written that down. */
function sinceOf({ state, asked }: LocationProgress, { facts, failedAt }: About): Date | null {
  if (asked) return asked.openSince ?? (isAccepted(asked) ? asked.lastAt : asked.askedAt);
  if (state === 'failed') return failedAt ?? null;
  if (state === 'pending') return null;
  return (state === 'running' || state === 'awaiting' ? facts?.startedAt : facts?.finishedAt) ?? null;
}

function nextOf(e: Erasure, { state, asked }: LocationProgress, now: Date): string | null {
  if (isFinal(e.state) || FAR[state] === 'over') return null;
  if (isHeld(e)) return 'not while it is on hold';
  if (asked) {
    const next = nextTryWords(asked, now, (at) => momentWords(at, now));
    return next && isAccepted(asked) ? `asked again ${next}` : next;
  }
  if (e.state === 'stalled' && state !== 'awaiting')
    return e.retryAt && e.retryAt > now ? `at ${momentWords(e.retryAt, now)}` : 'after a replay, or at the next sweep';
  if (state === 'pending') return e.state === 'scheduled' ? null : 'in its turn';
  return state === 'failed' ? 'any moment' : null;
}

const answersOf = (asked: Asked | undefined, answer: LastAnswer | undefined, now: Date): string[] => {
  const when = (at: Date) => momentWords(at, now);
  if (asked) return [...standingWords(asked, now, when), ...outstandingWords(asked)];
  return answer ? [`Last answer${answer.at ? ` at ${when(answer.at)}` : ''}: ${answer.words}`] : [];
};

const interruptionOf = (interrupted: Interrupted | undefined, now: Date): string[] => {
  if (!interrupted) return [];
  const { times, lastAt } = interrupted;
  return [
    `A worker that had it ended without an answer: killed, for example out of memory. Noticed ${times === 1 ? 'once' : `${times} times`}, last at ${momentWords(lastAt, now)}`,
  ];
};
