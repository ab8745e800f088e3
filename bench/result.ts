import type { Latency, Spread } from './statistics.ts';

/** One contender on one size, over all repeats. */
export type Row = {
  name: string;
  what: string;
  scope: 'account' | 'posts';
  /** Posts of the victim. */
  posts: number;
  rows: number;
  seconds: Spread;
  rowsPerSecond: number;
  microsecondsPerRow: number;
  /** Of the application's own traffic meanwhile, in ms. */
  latency: Latency;
  walMegabytes: number;
  /** MiB; null without a worker. */
  workerMemory: number | null;
  redisMemory: number | null;
  /** Seconds of the posts alone, from their plan to the last chunk; Lethe only. */
  postsSeconds: number | null;
};

/** What is reported beside the contenders; a part that was not run is absent. */
export type Extras = {
  immediate?: { requestMs: number; bareMs: number };
  /** Requests/s; `spread`: each client asks for an erasure of its own. */
  statusReads?: { status: number; spread: number; bare: number };
  crowd?: { rowsPerSecond: number; seconds: number; accounts: number; accept: Latency & { refused: number } };
  beside?: { aloneSeconds: number; besideSeconds: number; largePosts: number };
  idleWorker?: { cpuPercent: number; memory: number };
  queueMsPerChunk?: number;
  /** Calls to partners; rates are calls a second. */
  partners?: {
    calls?: { callsPerSecond: number; barePerSecond: number };
    hanging?: { alonePerSecond: number; besidePerSecond: number };
    /** `seconds`: from the recovery of the partner until every task that had waited was done. */
    recovery?: { tasks: number; perSecond: number; seconds: number };
    publishing?: { eventsPerSecond: number; barePerSecond: number };
    /** `grownMiB`: of Redis, at its highest. */
    replay?: { events: number; perSecond: number; grownMiB: number };
    three?: { erasures: number; perSecond: number };
  };
  /** What watches the pipeline. */
  watching?: {
    /** A day of the dataset, smallest first. Seconds and MiB of the command that writes it. */
    dataset?: { rows: number; seconds: number; memory: number }[];
    /** Rows and calls of one cycle of test data, and of everything while it ran. */
    canary?: { rows: number; allRows: number; calls: number; allCalls: number; erasures: number };
    /** Messages to Postgres that so many scrapes caused. */
    scrapes?: { scrapes: number; messages: number };
    /** Seconds from each sabotage until it was reported. */
    sabotage?: { name: string; seconds: number; limit: number }[];
  };
};

export type Bar = { name: string; value: number; limit: number; holds: boolean };

/** What `--json` writes. */
export type Result = {
  commit: string;
  machine: Record<string, string | number>;
  idle: Latency;
  contenders: Row[];
  extras: Extras;
  bars: Bar[];
  /** Parts that could not be measured, and why. */
  failed: string[];
};
