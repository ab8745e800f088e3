import type { RateLimiterAbstract } from 'rate-limiter-flexible';
import type { AskRedis } from './patience.ts';

/** The most keys that a process counts by itself. The oldest make room. */
const MOST_KEYS = 100_000;

/** What a key has consumed, and for how many milliseconds more that counts. */
export type Used = { consumed: number; msLeft: number };
export type Counter = { points: number; count: (key: string, deadline: number) => Promise<Used> };

/**
 * Counts in Redis, for all processes together, and in this process as well. Where Redis does not answer in time, the
 * process's own count decides. A flooded process is late itself: without its own count the limit would be off when it
 * is needed. Redis is not asked about a key that has used up its points. Without `shared` each process counts by itself.
 */
export function createCounter(options: {
  points: number;
  windowMs: number;
  shared?: RateLimiterAbstract;
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
      if (!shared) return usedOf(here);
      const there = await askRedis(() => shared.penalty(key), deadline);
      if (!there) return usedOf(here);
      here.consumed = Math.max(here.consumed, there.consumedPoints);
      here.until = performance.now() + there.msBeforeNext;
      return { consumed: there.consumedPoints, msLeft: there.msBeforeNext };
    },
  };
}
