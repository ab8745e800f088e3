/** How it stands with an owner, from good to bad. `late`: a deadline has passed. */
export const OWNER_STATES = ['well', 'failing', 'late'] as const;
export type OwnerState = (typeof OWNER_STATES)[number];

/** Names that are kept of an owner's locations that are late or fail. */
export const MOST_LOCATIONS = 20;

/** Tasks that newly completed erasures had: how many met their deadline, and seconds from the start to their end. */
export type Done = { inTime: number; late: number; p50: number; p95: number; lastAt: Date };

/**
 * What was measured of an owner. Tasks are those that are not done, of erasures that have begun, are not on hold and are
 * no test data.
 */
export type Measured = {
  open: number;
  late: number;
  /** Failed, of an erasure that stalled at it, of a partner that is away, or asked in vain three times in a row. */
  failing: number;
  /** When the oldest of them was asked for, and their oldest deadline; null: there is none. */
  oldestAt: Date | null;
  dueAt: Date | null;
  /** The largest part of its deadline that one of them has used; from 1 on it is late. */
  used: number;
  /** Where tasks are late or fail: at most `MOST_LOCATIONS` names, in order. */
  locations: string[];
  /** Null: none of the newly completed erasures had a task of this owner. */
  done: Done | null;
  /** What else is late or fails, in words: days of the dataset, test data. */
  words: string[];
};

/** An owner of whom nothing was found. */
export const NOTHING: Measured = {
  open: 0,
  late: 0,
  failing: 0,
  oldestAt: null,
  dueAt: null,
  used: 0,
  locations: [],
  done: null,
  words: [],
};

/** Dates as they are kept in JSON. */
type Kept<T> = { [K in keyof T]: T[K] extends Date ? string : T[K] extends Date | null ? string | null : T[K] };
export type KeptMeasured = Omit<Kept<Measured>, 'done'> & { done: Kept<Done> | null };

const date = (text: string | null) => (text === null ? null : new Date(text));

/** What `lethe.owner.measured` holds, in its own types. */
export function readMeasured(kept: KeptMeasured): Measured {
  return {
    ...kept,
    oldestAt: date(kept.oldestAt),
    dueAt: date(kept.dueAt),
    done: kept.done && { ...kept.done, lastAt: new Date(kept.done.lastAt) },
  };
}
