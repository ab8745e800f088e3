import { type Erasure, isDeletingSessions } from '../../erasure/model/states.ts';
import { DATA } from '../../erasure/progress/for-user.ts';
import type { LocationProgress, Progress } from '../../erasure/progress/status.ts';
import { type LiveBar, liveView, number, type Overall, type Shown } from '../assets/live-view.js';

/** Words with moments in them, which the page marks so that a browser can tell them in its own time. */
export type Phrase = readonly (string | Date)[];

/** A location's bar, with what people call the location. */
export type Bar = LiveBar & { label: string };

export type StatusView = {
  shown: Shown;
  heading: string;
  lead: Phrase;
  /** Further sentences, a paragraph each. */
  more: Phrase[];
  /** Facts as a list. */
  next: string[];
  overall: Overall | null;
  bars: Bar[];
  /** What was deleted, when it is all over. */
  counts: { label: string; words: string }[];
  canUndo: boolean;
  canStart: boolean;
  /** Nothing will change any more. */
  final: boolean;
};

/** The account's own row is the last task. */
const isAccount = ({ kind }: Pick<LocationProgress, 'kind'>) => kind === 'account';

/** `user_sessions` → `User sessions`; the account's own row → `Account`. */
export function labelOf({ name, kind }: Pick<LocationProgress, 'name' | 'kind'>): string {
  if (isAccount({ kind })) return 'Account';
  if (kind === DATA) return name.charAt(0).toUpperCase() + name.slice(1);
  const words = (name.split('.').at(-1) as string)
    .replace(/(?<=[a-z\d])[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
    .replace(/[\s_-]+/g, ' ')
    .trim();
  return words === '' ? name : words.charAt(0).toUpperCase() + words.slice(1);
}

/**
 * An erasure in the words of the person whose account it is. `progress`: as its user may see it (`forUser`). `now` is the
 * server's clock.
 */
export function viewStatus(erasure: Erasure, progress: Progress, now: Date): StatusView {
  const { state, heldAt, startedAt } = erasure;
  const { shown, final, overall, bars } = liveView({ state, held: heldAt, startedAt, progress });
  const labels = progress.locations.map(labelOf);
  const canUndo = state === 'scheduled' || (state === 'stalled' && isUntouched(progress));
  return {
    shown,
    ...wordsOf(shown, { erasure, progress, now, canUndo }),
    overall,
    bars: bars.map((bar, i) => ({ ...bar, label: labels[i] as string })),
    counts:
      shown === 'completed'
        ? progress.locations.map((location) => ({ label: labelOf(location), words: countWords(location) }))
        : [],
    canUndo,
    canStart: shown === 'scheduled',
    final,
  };
}

/** Nothing was planned yet, and so nothing was deleted but what the request itself deletes. */
const isUntouched = ({ locations }: Progress) => locations.every((l) => l.rowsPlanned === null || isAccount(l));

const isKept = ({ state }: LocationProgress) => state === 'retained';
const countWords = (location: LocationProgress) => {
  if (isKept(location)) return 'Kept';
  return location.kind === DATA && location.rowsDeleted === 0 ? 'Deleted' : number(location.rowsDeleted);
};

const isOutstanding = ({ kind, state }: LocationProgress) => kind === DATA && state !== 'done' && state !== 'retained';

/** Which kinds of data are not confirmed yet. */
function outstandingWords({ locations }: Progress): Phrase[] {
  const names = locations.filter(isOutstanding).map((l) => l.name);
  return names.length === 0 ? [] : [[`Not confirmed yet: ${LIST.format(names)}.`]];
}

const LIST = new Intl.ListFormat('en-GB');

/** `posts, feeds and sessions`: what an account is made of, besides itself. */
function listOf({ locations }: Progress): string {
  const names = locations
    .filter((l) => !isAccount(l))
    .map((l) => (l.kind === DATA ? l.name : labelOf(l).toLowerCase()));
  return LIST.format(names);
}

type Words = Pick<StatusView, 'heading' | 'lead' | 'more' | 'next'>;
type Facts = { erasure: Erasure; progress: Progress; now: Date; canUndo: boolean };

function wordsOf(shown: Shown, { erasure, progress, now, canUndo }: Facts): Words {
  const everything = listOf(progress);
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
        lead: ['Your account is gone here. Other systems that have a part of your data are being told to delete it.'],
        more: [
          ...outstandingWords(progress),
          [
            `There is nothing you need to do.${erasure.email ? ' We send you a mail when everything is confirmed.' : ''}`,
          ],
        ],
        next: [],
      };
    case 'completed':
      return {
        heading: 'Your account has been deleted',
        lead: [
          progress.locations.some(isKept)
            ? 'Everything in it that we need not keep was deleted for good'
            : 'Everything in it was deleted for good',
          ...(erasure.completedAt ? [' ', erasure.completedAt] : []),
          '.',
        ],
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

/** Outcomes of an action that the state alone does not tell. They travel in the page's address. */
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
