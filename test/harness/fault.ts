import type { Sql } from 'postgres';
import type { RedisServer } from '../../dev/redis.ts';
import type { People } from './application.ts';
import type { Cluster } from './cluster.ts';
import type { Partners } from './partners.ts';
import type { Pooler } from './pooler.ts';
import type { Random } from './random.ts';
import type { Shape } from './schedule.ts';
import type { Supervised } from './supervised.ts';
import type { Watched } from './watched.ts';
import type { Stop } from './wire.ts';

/** What a fault can reach. */
export type Scene = {
  /** The API first, then the workers. */
  processes: readonly Supervised[];
  cluster: Cluster;
  redis: RedisServer;
  pooler: Pooler | undefined;
  /** Systems outside that hold data of the accounts. */
  partners: Partners | undefined;
  /** What watches the run: a team that is told, test data, the dataset. */
  watched: Watched | undefined;
  /** Sends a request to the API with the key of an administrator. */
  call: (method: string, path: string, body?: object, headers?: Record<string, string>) => Promise<Response>;
  /** The list of secrets that processes start with, and another one for their next start. */
  secrets: () => string;
  rotate: (secrets: string) => void;
  /** Sessions of the run's database that no fault of the network touches. */
  sql: Sql;
  application: Sql;
  database: string;
  people: People;
  /** Counts a signal that ended, or should end, a process. */
  killed: () => void;
  /** Reports something that must never be. */
  violated: (what: string) => void;
};

/** Ends a fault; tried again until it works. Null: it ended by itself. */
export type Undo = (() => Promise<unknown>) | null;

type Common = Shape & {
  /** For people: what happens. */
  what: string;
  /** Its documented outcome may be `stalled`: an operator mends what is wrong and replays. */
  stalls?: true;
};
export type TimeFault = Common & { on: 'time'; do: (scene: Scene, draw: Random) => Promise<Undo> };
/** `process` has stopped at a message of its own. */
export type WireFault = Common & {
  on: 'wire';
  do: (scene: Scene, draw: Random, at: { process: Supervised; stop: Stop }) => Promise<Undo>;
};
export type Fault = TimeFault | WireFault;
