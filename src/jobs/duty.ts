import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import type { Database } from '../store/client.ts';
import { releaseLease, takeLease } from '../store/lease.ts';

/** Reading takes at most a twentieth of the time: with a million live erasures it is no longer quick. */
const REST = 20;
/** A database that says nothing must not hold up the end of the process: the lease ends by itself. */
const STOP_MS = 1_000;

/** Something that one process of the cluster does for all of them, turn after turn. */
export class Duty {
  readonly holder = `${hostname()}-${process.pid}-${randomUUID()}`;
  readonly #db: Database;
  readonly #name: string;
  readonly #leaseMs: number;
  readonly #rest: number;
  readonly #stopping = new AbortController();
  #restUntil = 0;

  /** `leaseMs`: a holder that died is followed after so long, and one turn. `rest`: how many times as long as a reading. */
  constructor(db: Database, name: string, leaseMs: number, rest = REST) {
    this.#db = db;
    this.#name = name;
    this.#leaseMs = leaseMs;
    this.#rest = rest;
  }

  get stopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  /** True while a reading took so long that the next one must wait. */
  get resting(): boolean {
    return performance.now() < this.#restUntil;
  }

  /** Takes or extends the duty; false while another process has it. Rejects when the database does. */
  take(): Promise<boolean> {
    return takeLease(this.#db, this.#name, this.holder, this.#leaseMs);
  }

  /** Gives it back at once: another process may reach what this one does not. */
  async release(): Promise<void> {
    // What cannot be given back lapses.
    await releaseLease(this.#db, this.#name, this.holder).catch(() => {});
  }

  /** Reads, and rests afterwards, also after a failure: what was too much for the database is not asked again at once. */
  async read<T>(reading: () => Promise<T>): Promise<T> {
    const begun = performance.now();
    try {
      return await reading();
    } finally {
      this.#restUntil = begun + this.#rest * (performance.now() - begun);
    }
  }

  /** The next reading need not wait: it will be another holder's, or a new beginning. */
  forgetRest(): void {
    this.#restUntil = 0;
  }

  /** Does `turn`, which never rejects, every `waitMs()` milliseconds until stopped; then gives the duty back. */
  start(turn: () => Promise<void>, waitMs: () => number): { stop: () => Promise<void> } {
    const { signal } = this.#stopping;
    const running = (async () => {
      while (!signal.aborted) {
        await turn();
        await pause(waitMs(), undefined, { signal, ref: false }).catch(() => {});
      }
    })();
    return {
      stop: async () => {
        this.#stopping.abort();
        for (const step of [() => running, () => this.release()])
          await Promise.race([step(), pause(STOP_MS, undefined, { ref: false })]);
      },
    };
  }
}
