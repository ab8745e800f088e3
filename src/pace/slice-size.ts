export const SMALLEST_SLICE = 100;
export const LARGEST_SLICE = 50_000;
const FIRST_SLICE = 1_000;
/** How long a location counts as contended after the application's locks were met there. */
const CONTENDED_MS = 60_000;

/** What the pace allows a slice: rows, and milliseconds to aim at. */
export type Allowed = { rows: number; timeMs: number };

/**
 * Rows per slice so that one transaction takes about the target time, learned per location in this
 * process. A slice's size may change at any time: the cursor remembers where the last one ended.
 */
export class SliceSize {
  readonly #targetMs: number;
  readonly #sizes = new Map<string, number>();
  readonly #contended = new Map<string, number>();

  constructor(targetMs: number) {
    this.#targetMs = targetMs;
  }

  /** Rows that the next slice of a location should take, at most `most`. */
  for(location: string, most = LARGEST_SLICE): number {
    return Math.min(most, this.#sizes.get(location) ?? FIRST_SLICE);
  }

  /**
   * Learns from a committed slice of the size that `allowed` left of it. Only a full slice tells anything. Growth is at
   * most a doubling, also after a cap was lifted: what the cap hid was never measured.
   */
  record(location: string, rows: number, ms: number, full: boolean, allowed: Partial<Allowed> = {}): void {
    const { rows: most = LARGEST_SLICE, timeMs: targetMs = this.#targetMs } = allowed;
    const current = this.for(location, most);
    if (rows === 0 || (!full && ms <= targetMs)) return;
    const wanted = (rows / Math.max(ms, 1)) * targetMs;
    const next = wanted > current ? Math.min(wanted, current * 2) : (current + wanted) / 2;
    this.#set(location, Math.min(most, Math.max(Math.min(SMALLEST_SLICE, current * 2), next)));
  }

  /**
   * After a timeout or a lock: half as many rows, and locked rows are left alone for a while. May go
   * below the smallest slice: one parent can have more dead children to walk than the time allows.
   */
  giveWay(location: string): void {
    this.#contended.set(location, performance.now() + CONTENDED_MS);
    this.#set(location, this.for(location) / 2);
  }

  /** True while slices should leave locked rows for a later pass instead of meeting the lock first. */
  skipLocked(location: string): boolean {
    return (this.#contended.get(location) ?? 0) > performance.now();
  }

  #set(location: string, size: number): void {
    this.#sizes.set(location, Math.max(1, Math.round(size)));
  }
}
