/**
 * Terms. A *partner* is a system outside that holds data of the account and answers for itself: a service, a bus, an object
 * store. It is a location of a kind that is asked. A *call* is one request to it (`lethe.call`): it is tried until it is
 * settled, always with the same id. A *sender* makes the calls of one kind, in a worker.
 */
import type { Location } from '../catalog/live/types.ts';
import type { Logger } from '../logger.ts';

/** How often a partner may be asked, by all workers together. Times in milliseconds. */
export type Pacing = {
  /** Calls that are under way at once. */
  readonly concurrency: number;
  /** Calls a second; null: as many as it answers. */
  readonly perSecond: number | null;
  /** A call that takes longer has failed. */
  readonly timeoutMs: number;
  /** What was accepted and not acknowledged for so long is asked again, with the same id. */
  readonly ackTimeoutMs: number;
};

/** True for a location of a kind that is asked. */
export const isAsked = (location: Location): location is AskedLocation => 'pacing' in location;

/** A location that is asked for. `asks`: what its kind has written down in the catalog, as it was parsed. */
export type AskedLocation<A = unknown> = Location & {
  readonly pacing: Pacing;
  /** It is asked before anything of the account is deleted. Others are asked when the account is gone. */
  readonly early: boolean;
  /** Names of locations that must be done before it is asked, and of those that must wait for it. */
  readonly after: readonly string[];
  readonly before: readonly string[];
  /** It is told of each row of a location, by the value of a column: gathered in the transaction that deletes the row. */
  readonly each: { readonly location: string; readonly column: string } | null;
  /** Columns of the account's row by the names that the call has for them. */
  readonly select: Readonly<Record<string, string>>;
  /**
   * What it deletes is found by the account's key alone, whoever has it now, and not by time. It is not asked when
   * somebody new has the key.
   */
  readonly byKeyAlone: boolean;
  readonly asks: A;
};

/** One call in the hands of a sender. */
export type Call = {
  readonly id: string;
  readonly erasureId: string;
  readonly location: string;
  /** The account's key by the names of its columns, as the database prints it. */
  readonly account: Readonly<Record<string, string>>;
  readonly requestedAt: Date;
  /** Values of `select`. */
  readonly values: Readonly<Record<string, string | null>>;
  /** Values of `each`, at most 1,000; null: the call is about the whole account. */
  readonly keys: readonly string[] | null;
  /** What the last `more` said. */
  readonly cursor: readonly string[] | null;
  /** Tries without success before this one. */
  readonly attempts: number;
};

/**
 * What came of one try. `words`: at most 500 characters, for support; never a value of the call or of the answer.
 * Nothing is given up: `later` is tried again by the schedule of retries, or after `afterMs`.
 */
export type Answer =
  /** It says that it is erased, or that it never had it. `rows`: what the ledger counts; absent: the items of the call. */
  | { readonly kind: 'done'; readonly words: string; readonly rows?: number }
  /** It will acknowledge. */
  | { readonly kind: 'accepted'; readonly words: string }
  /** Some is done, and the rest is asked for at once, from `cursor`. `rows`: what the ledger counts now. */
  | { readonly kind: 'more'; readonly words: string; readonly rows: number; readonly cursor: readonly string[] }
  /**
   * Nothing is known to be done. `down`: whatever call came would have failed as well, so that it counts for the circuit.
   * `afterMs`: the partner asks for a pause, of all calls.
   */
  | { readonly kind: 'later'; readonly words: string; readonly down: boolean; readonly afterMs?: number };

/**
 * Test data of one account. `account`: its key by the names of its columns. `marker`: a text that no other account has.
 * `keys` and `values`: what the erasure's call will have of them, for planting. Where a partner is told of rows and `keys`
 * are not known, the marker stands for them.
 */
export type Planted = {
  readonly id: string;
  readonly account: Readonly<Record<string, string>>;
  readonly marker: string;
  readonly keys?: readonly string[] | null;
  readonly values?: Readonly<Record<string, string | null>>;
};

/** `unable`: the catalog does not say how. `later`: it did not answer, or not well. `words`: as an answer's. */
export type Planting = {
  readonly kind: 'planted' | 'unable' | 'later';
  readonly items?: number;
  readonly words: string;
};

/** `unknown`: nothing is known, and it is asked again. */
export type Looking = { readonly kind: 'absent' | 'present' | 'unable' | 'unknown'; readonly words: string };

/** Makes the calls of one kind. It is opened once a worker, and keeps its connections. */
export type Sender<L extends AskedLocation = AskedLocation> = {
  /** Calls that one `send` takes. */
  readonly batch: number;
  /** How many calls the partner takes now, where something is bounded: a stream that is full takes 0. */
  room?(location: L): Promise<number>;
  /** One try of each call. An answer for each, in their order. Rejects only for what is a mistake in the program. */
  send(location: L, calls: readonly Call[], signal: AbortSignal): Promise<Answer[]>;
  /** Plants test data of an account there. Absent: nothing can be planted. Planting twice is planting once. */
  plant?(location: L, of: Planted, signal: AbortSignal): Promise<Planting>;
  /** Looks, after the erasure, whether what was planted is gone. Never asks for its deletion. */
  look?(location: L, of: Planted, signal: AbortSignal): Promise<Looking>;
  close(): Promise<void>;
};

/** What a sender is opened with. */
export type SenderTools = {
  readonly log: Logger;
  /** The variable of the environment, or of the file that `NAME_FILE` names; undefined: not set. */
  readonly variable: (name: string) => string | undefined;
  readonly redis: { readonly url: string; readonly prefix: string };
  /** Where events are published: Redis or AMQP. Absent: the same Redis. */
  readonly eventsUrl?: string | undefined;
  /** Hosts that may have a private address. */
  readonly privateHosts: readonly string[];
  /** Where Lethe is reached: `/v1/tasks/{id}/ack` is below it. */
  readonly publicUrl: string;
  /** The token that acknowledges one call. */
  readonly tokenOf: (callId: string) => string;
};

/** How a kind whose data is in another system has that asked. */
export type Outside<L extends AskedLocation = AskedLocation> = {
  open(tools: SenderTools): Sender<L>;
  /** Variables of the environment that the calls of a location need. A worker does not start without them. */
  variablesOf(location: L): readonly string[];
  /** What else of catalog and environment keeps a location from being asked, in words without values; the same for a worker. */
  problemsOf?(location: L, tools: Pick<SenderTools, 'variable' | 'privateHosts'>): readonly string[];
  /** What the catalog could say so that test data is planted there, in words. Undefined: it is, or its kind has no way. */
  unplanted?(location: L): string | undefined;
};

/** The chunk that counts what calls have settled: one in a pass. */
export const ASKED_CHUNK = 1;

/** Values of a row by the names that the call has for its columns. */
export const valuesOf = (
  select: Readonly<Record<string, string>>,
  row: Readonly<Record<string, string | null>> | undefined,
): Record<string, string | null> =>
  Object.fromEntries(Object.entries(select).map(([name, column]) => [name, row?.[column] ?? null]));
