import type { RateLimiterAbstract } from 'rate-limiter-flexible';
import type { AskRedis } from './patience.ts';

/** Keys that a process counts by itself; the oldest make room. */
const MOST_KEYS = 100_000;

/** What a key has consumed, and for how many milliseconds more that counts. */
export type Used = { consumed: number; msLeft: number };
export type Counter = { points: number; count: (key: string, deadline: number) => Promise<Used> };

/**
 * Counts in Redis, for all processes together, and in this one as well: where Redis does not answer in time, its own
 * count decides. A process that is flooded is late itself; a limit that were off then would be off when it is needed.
 * A key that is known to have used up its points is refused without asking.
 */
export function createCounter(options: {
  points: number;
  windowMs: number;
  shared: RateLimiterAbstract;
  askRedis: AskRedis;
}): Counter {
  const { points, windowMs, shared, askRedis } = options;
  const own = new Map<string, { consumed: number; until: number }>();

  const countHere = (key: string) => {
    const now = performance.now();
    for (const [oldest, { until }] of own) {
      if (until > now && own.size < MOST_KEYS) break;
      own.delete(oldest);
    }
    const entry = own.get(key);
    if (entry && entry.until > now) {
      entry.consumed += 1;
      return entry;
    }
    const fresh = { consumed: 1, until: now + windowMs };
    own.delete(key);
    own.set(key, fresh);
    return fresh;
  };
  const usedOf = ({ consumed, until }: { consumed: number; until: number }): Used => ({
    consumed,
    msLeft: Math.max(0, until - performance.now()),
  });

  return {
    points,
    count: async (key, deadline) => {
      const here = countHere(key);
      if (here.consumed > points) return usedOf(here);
      const there = await askRedis(() => shared.penalty(key), deadline);
      if (!there) return usedOf(here);
      here.consumed = Math.max(here.consumed, there.consumedPoints);
      here.until = performance.now() + there.msBeforeNext;
      return { consumed: there.consumedPoints, msLeft: there.msBeforeNext };
    },
  };
}
