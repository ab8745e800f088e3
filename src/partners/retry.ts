const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** Waits by the number of tries that have failed; after the last of them, the last again. The source: Standard Webhooks. */
export const WAITS_MS: readonly number[] = [
  0,
  5 * SECOND,
  5 * MINUTE,
  30 * MINUTE,
  2 * HOUR,
  5 * HOUR,
  10 * HOUR,
  10 * HOUR,
  12 * HOUR,
];

/** The part of a wait by which it is made longer or shorter, so that calls that failed together do not come back together. */
const JITTER = 0.1;

/**
 * Milliseconds until the next try. `attempts`: tries in a row that have failed, the last one included; 0: it is tried at
 * once. `random`: from 0 to 1. A call is never given up.
 */
export function retryAfterMs(attempts: number, random: () => number = Math.random): number {
  const wait = WAITS_MS[Math.min(Math.max(attempts, 0), WAITS_MS.length - 1)] as number;
  return Math.round(wait * (1 - JITTER + 2 * JITTER * random()));
}
