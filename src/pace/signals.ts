import type { Signal } from './pace.ts';
import type { Pressure } from './pressure.ts';

/** From this share of free connections down the application may soon find none. */
const FREE_SHARE = 0.15;
/** A table may be this many times over what makes autovacuum come, and have this many dead rows, before it counts as left behind. */
const VACUUM = { times: 2, rows: 100_000 };
/**
 * The highest step that a signal causes. Slowing down for ever does not help where autovacuum is off. A log that is too
 * small for the application itself, or a pool that is always nearly full, must not make every erasure a trickle.
 */
const MOST = { vacuum: 3, checkpoints: 4, connections: 4 };
/** Where the server does not warn of frequent checkpoints (0), its default. */
const WARNING_SECONDS = 30;
/** Part of the log's allowance after which a requested checkpoint was the log's doing, and not a backup's or an operator's. */
const OF_ALLOWANCE = 0.5;
/** Samples of the log; half of them go when there are more, which makes the age of an old one coarser. */
const MOST_SAMPLES = 1_000;

type Seen = { requested: number; timed: number; lsn: number };

/** Turns readings into signals. Remembers what a single reading does not say: how old the log is, and when checkpoints came. */
export class Signals {
  readonly #replicaLagMs: number;
  #samples: { lsn: number; at: number }[] = [];
  #seen: Seen | undefined;
  #forcedAt: number | undefined;
  #everySeconds = Number.POSITIVE_INFINITY;
  /** Since when each table has been over its limit. */
  #behindSince = new Map<string, number>();

  constructor(settings: { replicaLagMs: number }) {
    this.#replicaLagMs = settings.replicaLagMs;
  }

  /** The signals of one reading that was made at `now` (milliseconds of a clock that never goes back). */
  from(pressure: Pressure, now: number): Signal[] {
    return [
      this.#replica(pressure, now),
      locks(pressure),
      this.#checkpoints(pressure, now),
      connections(pressure),
      this.#vacuum(pressure, now),
    ];
  }

  /**
   * The server's replay_lag is null while nothing is written, and stands still with a standby that is
   * stuck. So: a standby is at least as far behind as the oldest log that we saw and that it has not replayed.
   */
  #replica({ lsn, replicas }: Pressure, now: number): Signal {
    if (lsn > (this.#samples.at(-1)?.lsn ?? -1)) this.#samples.push({ lsn, at: now });
    if (this.#samples.length > MOST_SAMPLES) this.#samples = this.#samples.filter((_, i) => i % 2 === 0);
    const limit = this.#replicaLagMs / 1000;
    if (replicas === null) return { name: 'replica', value: null, limit, words: 'replicas cannot be seen' };
    const value = Math.max(
      0,
      ...replicas.map(({ replayed, lag }) => {
        const missing = this.#samples.find((sample) => sample.lsn > replayed);
        return missing ? Math.max(lag ?? 0, (now - missing.at) / 1000) : 0;
      }),
    );
    return { name: 'replica', value, limit, words: `replica ${Math.round(value)} s behind` };
  }

  /**
   * Autovacuum comes once in its naptime, so a large erasure is over the limit for a while on any server. A table is
   * left behind when the time for a visit has passed, and nobody is at work there.
   */
  #vacuum({ tables, naptimeSeconds }: Pressure, now: number): Signal {
    const over = tables
      .filter((table) => !table.vacuuming)
      .map((table) => ({ ...table, value: table.dead / Math.max(VACUUM.rows, VACUUM.times * table.threshold) }))
      .filter(({ value }) => value >= 1);
    this.#behindSince = new Map(over.map(({ name }) => [name, this.#behindSince.get(name) ?? now]));
    const [behind] = over
      .filter(({ name }) => now - (this.#behindSince.get(name) ?? now) > 1000 * naptimeSeconds)
      .sort((a, b) => b.value - a.value);
    return {
      name: 'vacuum',
      value: behind?.value ?? 0,
      limit: 1,
      words: behind ? `vacuum behind on ${behind.name} (${rowsWords(behind.dead)} dead rows)` : 'vacuum keeps up',
      most: MOST.vacuum,
    };
  }

  /** How much faster than `checkpoint_warning` the log forces checkpoints; falls again with every second without one. */
  #checkpoints({ lsn, checkpoints }: Pressure, now: number): Signal {
    const { requested, timed, walBytes, warningSeconds } = checkpoints;
    const seen = this.#seen;
    const came = seen ? requested - seen.requested : 0;
    if (seen && came > 0 && lsn - seen.lsn >= OF_ALLOWANCE * walBytes) {
      if (this.#forcedAt !== undefined) this.#everySeconds = (now - this.#forcedAt) / 1000 / came;
      this.#forcedAt = now;
    }
    if (!seen || came !== 0 || timed !== seen.timed) this.#seen = { requested, timed, lsn };
    const since = this.#forcedAt === undefined ? Number.POSITIVE_INFINITY : (now - this.#forcedAt) / 1000;
    const every = Math.max(this.#everySeconds, since);
    const value = (warningSeconds || WARNING_SECONDS) / Math.max(every, 0.1);
    return {
      name: 'checkpoints',
      value,
      limit: 1,
      words: `checkpoints every ${Math.max(1, Math.round(every))} s`,
      most: MOST.checkpoints,
    };
  }
}

function locks({ waiting }: Pressure): Signal {
  const words = waiting === 1 ? '1 session waits for Lethe’s locks' : `${waiting} sessions wait for Lethe’s locks`;
  return {
    name: 'locks',
    value: waiting,
    limit: 1,
    words: waiting === null ? 'waiting sessions cannot be seen' : words,
  };
}

/** Over what is free, not over what is used. Between 80 % and 90 % used, half of what the application has left goes. */
function connections({ connections: { used, usable } }: Pressure): Signal {
  const free = Math.max(0.5, usable - used);
  return {
    name: 'connections',
    value: (FREE_SHARE * usable) / free,
    limit: 1,
    words: `${used} of ${usable} connections`,
    most: MOST.connections,
  };
}

const rowsWords = (rows: number) =>
  rows >= 1_000_000 ? `${(rows / 1_000_000).toFixed(1)} M` : Math.round(rows).toLocaleString('en-US');
