/**
 * Terms. A *kind* is a sort of place that holds an account's data: a table, and later a partner, a bus, an object store. A
 * *location* is one such place in the catalog. An *outcome* is what becomes of the data there (`OUTCOMES`). A *carrier* is
 * how one kind carries out one outcome. The erasure decides what is done and when, and records it; the kind does it.
 */
import type { z } from 'zod';
import type { Declaration, DeclaredLocation, Problems } from '../catalog/live/declared.ts';
import type { Catalog, Location, Outcome } from '../catalog/live/types.ts';
import type { LetheError } from '../errors.ts';
import type { KeyValue } from '../keys/types.ts';
import type { Logger } from '../logger.ts';
import type { Database, Transaction } from '../store/client.ts';
import type { Outside } from './asked.ts';

/** The kinds that a catalog may hold. Each has a folder beside this file, and a line in `registry.ts`. */
export type KindName = 'table' | 'http' | 'request' | 'event' | 'object-store';

/** What a kind may know of the process it works in. Times in milliseconds. */
export type KindContext = {
  readonly db: Database;
  readonly catalog: Catalog;
  /** What of the catalog cannot be used, in words. */
  readonly drift: { readonly unusable: readonly string[] };
  readonly log: Logger;
  readonly settings: {
    readonly chunkRows: number;
    /** From the first row lock to the commit. */
    readonly lockBudgetMs: number;
    /** Seal what partners must be told. */
    readonly secrets: readonly string[];
  };
  /** Told how many rows of which location a transaction deleted, once it has committed. */
  readonly onDeleted?: (rows: Counts) => void;
};

/** Rows by the name of their location. */
export type Counts = ReadonlyMap<string, number>;

export type Kind<L extends Location = Location> = {
  /** The key by which an entry of `locations:` in the catalog is of this kind. What stands there names the place. */
  readonly entry: string;
  /** The keys of such an entry, `entry` among them, beside those that every entry has: name, owner, action, at, sla. */
  readonly declare: z.ZodObject;
  /** The place of a parsed entry, however it is written: no other entry of this kind may have it. */
  placeOf(entry: DeclaredLocation): string;
  /**
   * Compares the kind's entries of a catalog with the live system, and changes nothing. `leaveOutMisfits`: goes on
   * without what does not fit, so that the rest can be erased; the errors stay.
   */
  resolve(db: Database, declared: Declaration, how: { leaveOutMisfits: boolean }): Promise<Resolved<L>>;
  /** One carrier an outcome, or the words in which a catalog that asks for it is refused. */
  readonly outcomes: { readonly [O in Outcome]: Carrier<L> | Refused };
  /** What takes part in the transaction that deletes the account's row. Null: it may outlive the account, and is awaited. */
  readonly inside: Inside | null;
  /** How another system is asked. Null: the kind works on its chunks itself. */
  readonly outside: Outside | null;
  /**
   * Looks, before anything is deleted, for what would stop the erasure later. Changes nothing. `begun`: something has
   * been deleted already. Throws a LetheError that says what is in the way.
   */
  look(ctx: KindContext, account: KeyValue, progress: { begun: boolean }): Promise<void>;
  /** The same for a plan that only shows it. Looks for `ms` milliseconds. */
  findInTheWay(ctx: Pick<KindContext, 'db' | 'catalog'>, account: KeyValue, ms: number): Promise<InTheWay[]>;
  /** The cause of a failed step: what an operator can mend, instead of what it made fail. */
  causeOf(ctx: Pick<KindContext, 'db' | 'catalog'>, error: unknown): Promise<LetheError>;
};

/** What a kind says of its entries. `unusable`: the errors that keep a location from being erased. */
export type Resolved<L extends Location = Location> = Problems & {
  readonly unusable: string[];
  /** Stage 0 is erased first. They count only where there are no errors, or misfits were left out. */
  readonly locations: readonly L[];
  /** What else the catalog keeps, of the kind that has the account's row in its database. Absent: that does not fit. */
  readonly kept?: Kept;
};

export type Kept = Pick<Catalog, 'account' | 'references' | 'hooks' | 'ignored'>;

/** An outcome that a kind does not have, and why, for whoever wrote the catalog. */
export type Refused = { readonly refused: string };

/** How one kind carries out one outcome. */
export type Carrier<L extends Location = Location> = {
  /** What each of `locations` holds of an account, in their order. Reads only. */
  estimate(ctx: KindContext, locations: readonly L[], account: KeyValue): Promise<Estimated[]>;
  /** Writes the chunks of one pass into the ledger, in the transaction that has claimed the task. */
  plan(tx: Transaction, ctx: KindContext, location: L, account: KeyValue, of: PassOf): Promise<Planned>;
  /** Does one slice of a chunk and records it. Null: the chunk must not run now, as where the plan has asked for all. */
  step(ctx: KindContext, work: ChunkWork<L>): Promise<Slice | null>;
  /** Names of those of `locations` where the outcome does not hold yet. */
  prove(tx: Transaction, locations: readonly L[], account: KeyValue): Promise<string[]>;
};

/** `rows`: null when they could not be counted in time. `chunks`: jobs that they are cut into. */
export type Estimated = { rows: number | null; chunks: number | null };

export type PassOf = { readonly erasureId: string; readonly taskId: number; readonly pass: number };
/** `asked`: all that the task asks for has been asked, and it waits for the answers. */
export type Planned = { rows: number; chunks: number; asked?: boolean };

/** One chunk in the hands of its kind. The functions write to the ledger in the transaction that they are given. */
export type ChunkWork<L extends Location = Location> = {
  readonly chunkId: number;
  readonly location: L;
  readonly account: KeyValue;
  /** The first slice of this job. */
  readonly first: boolean;
  /** Locks the chunk's row, and says what is to be done of it. Null: another worker has it, or it must not run now. */
  claim(tx: Transaction): Promise<Claim | null>;
  /** Counts rows that went outside the chunk's own range: they may have gone with its rows. */
  recordOutside(tx: Transaction, rows: Counts): Promise<void>;
  /**
   * Counts the rows of the chunk itself. `cursor`: how far it has come; absent: as far as before. `awaiting`: all that the
   * task asks for has been asked, and it waits until the answer is acknowledged. Only its last chunk says so: no other
   * chunk of the task is worked on after that.
   */
  record(tx: Transaction, done: ChunkDone): Promise<void>;
  /** True when somebody new has the account's key: throw `NewerAccount`, which rolls the slice back. */
  isNewer(tx: Transaction): Promise<boolean>;
};

export type Claim = {
  readonly cursor: KeyValue | null;
  readonly upper: KeyValue;
  /** Rows of the plan that are still to delete. */
  readonly left: number;
  /** Rows `at: request`, before the start. */
  readonly early: boolean;
  /** Rows that this slice may take. */
  readonly limit: number;
  /** Leave what the application has locked for a later pass. */
  readonly skipLocked: boolean;
};

export type ChunkDone = { rows: number; cursor?: KeyValue; finished: boolean; awaiting?: boolean };

/** `finished`: nothing of the chunk is left to do. `full`: as many rows as were allowed. */
export type Slice = { finished: boolean; rows: number; full: boolean };

/** Rolls a slice back: somebody new has the account's key. */
export class NewerAccount extends Error {}

/** Data of others that depends on the account's. */
export type InTheWay = {
  /** Where, how much, and by which rule, in words. */
  readonly words: string;
  /** Null when it could not be counted in time. */
  readonly rows: number | null;
  /** The same as data: names, counts and keys. */
  readonly evidence: Readonly<Record<string, unknown>>;
};

/** What one transaction may take; `ms` from the account's lock to the commit. */
export type FinishLimits = {
  /** Rows of each location. */
  rows: number;
  ms: number;
  /**
   * Nothing has been deleted yet: each location's rows go with one statement, which waits for a locked row for a moment.
   * Otherwise the rows are picked, and locked ones left.
   */
  untouched?: boolean;
  /** Whatever is in the way is met once more by another transaction, which says what it is. */
  again?: boolean;
};

/** How a kind whose data is in the account's own database takes part in transactions that have locked the account's row. */
export type Inside = {
  /** Rows of the account in each location, counted up to `limit`, in the order of the catalog. */
  countUpTo(tx: Transaction, ctx: KindContext, account: KeyValue, limit: number): Promise<Counts>;
  /** The same for one location. */
  countOneUpTo(tx: Transaction, location: Location, account: KeyValue, limit: number): Promise<number>;
  /**
   * Deletes at most `most` rows of each location `at: request`; `record` writes down what went. `more`: some are left.
   * `kept`: tables that were left alone, since the database has drifted from the catalog.
   */
  eraseAtRequest(
    tx: Transaction,
    ctx: KindContext,
    account: KeyValue,
    limits: { most: number; record: (rows: Counts, more: boolean) => Promise<void> },
  ): Promise<{ more: boolean; kept: string[] }>;
  /**
   * Deletes what there is, proves every location empty, and deletes the account's row. Returns what went. Throws
   * `Rollback` for what another attempt may mend.
   */
  eraseRest(tx: Transaction, ctx: KindContext, account: KeyValue, limits: FinishLimits): Promise<Map<string, number>>;
  /** Deletes the few rows that the application keeps locked: it waits for one while it has locked no other. Returns how many. */
  eraseStubborn(ctx: KindContext, account: KeyValue, by: StubbornWork): Promise<number>;
};

export type StubbornWork = {
  /** Locks the erasure's row. False: somebody else goes on with it. */
  claim(tx: Transaction): Promise<boolean>;
  isNewer(tx: Transaction): Promise<boolean>;
  record(tx: Transaction, rows: Counts): Promise<void>;
};

/**
 * How an attempt to finish ended. `completed`: nothing is left and the account's row is gone. `awaiting`: the same, and
 * what outlives the account is asked for. `more`: a location has more rows than one transaction may take. `locked`: the
 * application has locked rows. `held`: its column says that the account must be kept. `superseded`: somebody else works on it.
 */
export type FinishOutcome = 'completed' | 'awaiting' | 'more' | 'locked' | 'held' | 'superseded';

/** Carries an outcome out of a transaction that must be rolled back. */
export class Rollback extends Error {
  readonly outcome: FinishOutcome;
  constructor(outcome: FinishOutcome) {
    super(outcome);
    this.outcome = outcome;
  }
}
