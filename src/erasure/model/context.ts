import type { Drift } from '../../catalog/drift.ts';
import type { Declaration } from '../../catalog/live/declared.ts';
import type { Catalog } from '../../catalog/live/types.ts';
import type { Kinds } from '../../locations/kinds/registry.ts';
import type { Logger } from '../../logger.ts';
import type { PaceSchedule } from '../../settings/pace-schedule.ts';
import type { Database } from '../../store/client.ts';

/** Numbers that the verbs work by; times in milliseconds. */
export type Settings = {
  readonly secrets: readonly string[];
  readonly sweepCron: string;
  readonly datasetCron: string;
  /** The application wants a call that revokes the account's tokens. */
  readonly revokesTokens: boolean;
  readonly undoWindowMs: number;
  readonly slaMs: number;
  readonly chunkRows: number;
  /** Chunks that run at once in the whole cluster, at most: the pace may allow fewer. */
  readonly slots: number;
  /** Time that a slice aims at, at most: the pace may allow less. */
  readonly sliceMs: number;
  readonly pace: PaceSchedule;
  /** From here on a standby that is behind slows the cluster down. */
  readonly replicaLagMs: number;
  readonly immediateMs: number;
  /** Chunks that are out as jobs at once, per erasure. */
  readonly windowChunks: number;
  readonly stalledRetryMs: number;
  readonly ledgerRetentionMs: number;
  readonly evidenceRetentionMs: number;
  /** From the first row lock to commit: 0.7 × the server's deadlock_timeout. */
  readonly lockBudgetMs: number;
};

/** A catalog that is not the current one any more, as written and as resolved. */
export type Past = { declared: Declaration; catalog: Catalog };

/** Catalogs of the past as this process resolved them, by digest. */
export type PastCatalogs = Map<string, Past>;

/** What every verb of the domain needs. */
export type Context = {
  readonly db: Database;
  readonly catalog: Catalog;
  /** How the catalog's locations are erased. */
  readonly kinds: Kinds;
  /** The current catalog as written; `catalog` may be that of an older erasure. */
  readonly declared: Declaration;
  readonly pastCatalogs: PastCatalogs;
  /** What the database and the current catalog do not agree on; looked at again and again. */
  readonly drift: Drift;
  readonly settings: Settings;
  readonly log: Logger;
  /** Told how many rows of which location a transaction deleted, once it has committed. */
  readonly onDeleted?: (rows: ReadonlyMap<string, number>) => void;
};
