import { type Erasure, isDeletingSessions, isFinal } from '../../erasure/model/states.ts';
import type { LocationProgress, Progress } from '../../erasure/progress/status.ts';

/** What the page shows: the erasure's state, or that it is on hold. */
export type Shown = 'scheduled' | 'running' | 'held' | 'stalled' | 'awaiting' | 'completed' | 'cancelled';

/** Words with moments in them, which the page marks so that a browser can tell them in its own time. */
export type Phrase = readonly (string | Date)[];

export type Bar = {
  /** The location as the catalog names it. */
  name: string;
  label: string;
  value: number;
  max: number;
  words: string;
};

export type StatusView = {
  shown: Shown;
  heading: string;
  lead: Phrase;
  /** Further sentences, a paragraph each. */
  more: Phrase[];
  /** Facts as a list. */
  next: string[];
  overall: { value: number; max: number; percent: string; left: string } | null;
  bars: Bar[];
  /** What was deleted, when it is all over. */
  counts: { label: string; words: string }[];
  canUndo: boolean;
  canStart: boolean;
  /** Nothing will change any more. */
  final: boolean;
};

const number = (n: number) => n.toLocaleString('en-US');

/** `user_sessions` → `User sessions`; the account's own row → `Account`. */
export function labelOf(name: string, accountTable: string): string {
  if (name === accountTable) return 'Account';
  const words = (name.split('.').at(-1) as string)
    .replace(/(?<=[a-z\d])[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
    .replace(/[\s_-]+/g, ' ')
    .trim();
  return words === '' ? name : words.charAt(0).toUpperCase() + words.slice(1);
}

/** How long it still takes, in words. `assets/status.js` says the same. */
export function leftWords(seconds: number | null): string {
  if (seconds === null) return 'Working out how long it will take';
  if (seconds < 60) return 'Less than a minute left';
  const [count, unit] =
    seconds < 5400
      ? [Math.round(seconds / 60), 'minute']
      : seconds < 129_600
        ? [Math.round(seconds / 3600), 'hour']
        : [Math.round(seconds / 86_400), 'day'];
  return `About ${count} ${unit}${count === 1 ? '' : 's'} left`;
}

/** How far a location is, in words. `assets/status.js` says the same. */
export function barWords({ state, rowsDeleted, rowsPlanned }: LocationProgress): string {
  if (state === 'retained') return 'Kept';
  if (state === 'done') return rowsDeleted === 0 ? 'Nothing to delete' : `${number(rowsDeleted)} deleted`;
  if (state === 'awaiting') return 'Waiting for confirmation';
  if (rowsPlanned === null || (state === 'pending' && rowsDeleted === 0)) return 'Waiting';
  return `${number(Math.min(rowsDeleted, rowsPlanned))} of ${number(rowsPlanned)}`;
}

function barOf(location: LocationProgress, accountTable: string): Bar {
  const max = Math.max(1, location.rowsPlanned ?? 1);
  const value = location.state === 'done' ? max : Math.min(max, location.rowsDeleted);
  return { name: location.name, label: labelOf(location.name, accountTable), value, max, words: barWords(location) };
}

/** An erasure in the words of the person whose account it is. `now` is the server's clock. */
export function viewStatus(erasure: Erasure, progress: Progress, accountTable: string, now: Date): StatusView {
  const final = isFinal(erasure.state);
  const shown = erasure.heldAt && !final ? 'held' : (erasure.state as Exclude<Shown, 'held'>);
  const bars = progress.locations.map((location) => barOf(location, accountTable));
  const begun = erasure.startedAt !== null;
  const moving = shown === 'running';
  const canUndo = erasure.state === 'scheduled' || (erasure.state === 'stalled' && isUntouched(progress, accountTable));
  const words = wordsOf(shown, erasure, listOf(bars, accountTable), now, canUndo);
  return {
    shown,
    ...words,
    overall:
      begun && !final && shown !== 'awaiting'
        ? {
            value: progress.percent ?? 0,
            max: 100,
            percent: progress.percent === null ? '' : `${progress.percent}%`,
            left: moving ? leftWords(progress.etaSeconds) : '',
          }
        : null,
    bars: begun && !final ? bars : [],
    counts:
      shown === 'completed'
        ? bars.map((bar, i) => ({ label: bar.label, words: countWords(progress.locations[i] as LocationProgress) }))
        : [],
    canUndo,
    canStart: shown === 'scheduled',
    final,
  };
}

/** Nothing was planned yet, and so nothing was deleted but what the request itself deletes. */
const isUntouched = ({ locations }: Progress, accountTable: string) =>
  locations.every((l) => l.rowsPlanned === null || l.name === accountTable);

const countWords = ({ state, rowsDeleted }: LocationProgress) => (state === 'retained' ? 'Kept' : number(rowsDeleted));

/** `posts, feeds and sessions`: what an account is made of, besides itself. */
function listOf(bars: readonly Bar[], accountTable: string): string {
  const names = bars.filter((bar) => bar.name !== accountTable).map((bar) => bar.label.toLowerCase());
  return new Intl.ListFormat('en-GB').format(names);
}

type Words = Pick<StatusView, 'heading' | 'lead' | 'more' | 'next'>;

function wordsOf(shown: Shown, erasure: Erasure, everything: string, now: Date, canUndo: boolean): Words {
  switch (shown) {
    case 'scheduled':
      return {
        heading: 'Your account will be deleted',
        lead:
          erasure.startsAt > now
            ? ['The deletion starts ', erasure.startsAt, '. Until then you can change your mind.']
            : ['The deletion starts any moment now. Until it has started you can still change your mind.'],
        more: [],
        next: [
          isDeletingSessions(erasure)
            ? 'You are being signed out everywhere, which takes a moment.'
            : 'You have been signed out.',
          `When the deletion starts, everything in your account is deleted for good${everything ? `: ${everything}` : ''}.`,
          'Once it has started it cannot be stopped.',
          ...(erasure.email ? ['We send you a mail when it is done.'] : []),
        ],
      };
    case 'running':
      return {
        heading: 'Your account is being deleted',
        lead: ['You can close this page: the deletion goes on by itself.'],
        more: erasure.email ? [['We send you a mail when it is done.']] : [],
        next: [],
      };
    case 'held':
      return {
        heading: 'The deletion is paused',
        lead: ['We have paused the deletion of your account. There is nothing you need to do.'],
        more: [
          canUndo
            ? ['It starts when the pause is over. Until then you can change your mind.']
            : ['It goes on by itself when the pause is over.'],
        ],
        next: [],
      };
    case 'stalled':
      return {
        heading: 'This takes longer than usual',
        lead: ['Something holds up the deletion of your account, and we are looking into it.'],
        more: canUndo
          ? [['There is nothing you need to do. Nothing has been deleted yet: you can still change your mind.']]
          : [['There is nothing you need to do: the rest will be deleted as well.']],
        next: [],
      };
    case 'awaiting':
      return {
        heading: 'Almost done',
        lead: [
          'Your account has been deleted here. Other services that hold a part of your data are still confirming.',
        ],
        more: [['There is nothing you need to do.']],
        next: [],
      };
    case 'completed':
      return {
        heading: 'Your account has been deleted',
        lead: erasure.completedAt
          ? ['Everything in it was deleted for good ', erasure.completedAt, '.']
          : ['Everything in it was deleted for good.'],
        more: erasure.email ? [['We send you one last mail about it, and then forget your address too.']] : [],
        next: [],
      };
    case 'cancelled':
      if (erasure.newerAccountAt)
        return {
          heading: 'This request is closed',
          lead: ['Your account was no longer there when we looked ', erasure.newerAccountAt, '.'],
          more: [
            ['Another account has its id now. That is somebody else’s, and we did not touch it.'],
            ['Should anything of yours be left, it cannot be told from theirs any more: please ask us.'],
          ],
          next: [],
        };
      return {
        heading: 'Your account stays',
        lead: erasure.cancelledAt
          ? ['The deletion was undone ', erasure.cancelledAt, '.']
          : ['The deletion was undone.'],
        more: [['Nothing was deleted, and your account works again. You can sign in as usual.']],
        next: [],
      };
  }
}

/** Outcomes of an action that the page cannot tell from the state alone; they travel in the page's address. */
export const NOTICES = {
  late: 'It was too late to undo this: the deletion had already started.',
  undone: 'The deletion had been undone, so nothing was started.',
  busy: 'Your account is in use right now, so nothing was changed. Please try again in a moment.',
  held: 'The deletion is paused, so it cannot be started now.',
  unclear: 'We could not make sure that this worked. Below is how things stand now; if need be, try again.',
} as const;
export type Notice = keyof typeof NOTICES;

export const isNotice = (text: string | undefined): text is Notice =>
  text !== undefined && Object.hasOwn(NOTICES, text);
