import { type RateLimiterAbstract, RateLimiterMemory, RateLimiterRedis } from 'rate-limiter-flexible';
import type { Api } from './api.ts';
import { createAskRedis, deadlineFromNow } from './patience.ts';
import { countedAs } from './rate-limit.ts';

const DAY_SECONDS = 86_400;
const HOUR_SECONDS = 3_600;
/** Wrong passwords of one name from one address that cost nothing yet; the next wait doubles each time. */
const FREE_FAILURES = 5;
const FIRST_WAIT_SECONDS = 30;
const LONGEST_WAIT_SECONDS = HOUR_SECONDS;
/** Wrong passwords from one address, whatever the names. Behind a proxy that is not trusted it is everybody's. */
const FAILURES_PER_HOUR = 100;

export type LoginAttempts = {
  /** Seconds until this address may try this name again; 0: now. */
  waitFor: (name: string, address: string) => Promise<number>;
  /** Counts a failure. Returns how many this name has had from this address within a day. */
  failed: (name: string, address: string) => Promise<number>;
  succeeded: (name: string, address: string) => Promise<void>;
};

/**
 * Counts failed sign-ins in Redis, for all API processes together; while Redis is away each counts by itself. A name
 * is closed for the address that failed only: otherwise anybody could lock its owner out.
 */
export function createLoginAttempts(api: Api): LoginAttempts {
  const askRedis = createAskRedis(api.ctx.log, 'failed sign-ins are counted in this process only');
  const counter = (name: string, points: number, duration = DAY_SECONDS) => {
    const options = { keyPrefix: `${api.config.LETHE_REDIS_PREFIX}:login:${name}`, points, duration };
    const shared = new RateLimiterRedis({ ...options, storeClient: api.producers.redis });
    const own = new RateLimiterMemory(options);
    return async <T>(use: (counter: RateLimiterAbstract) => Promise<T>): Promise<T> =>
      (await askRedis(async () => ({ found: await use(shared) }), deadlineFromNow()))?.found ?? use(own);
  };
  const pairs = counter('failures', FREE_FAILURES);
  const waits = counter('waits', 0);
  const addresses = counter('addresses', FAILURES_PER_HOUR, HOUR_SECONDS);
  const pairOf = (name: string, address: string) => countedAs(api, 'login', address, name);
  const addressKey = (address: string) => countedAs(api, 'login', address);

  return {
    waitFor: async (name, address) => {
      const [wait, ofAddress] = await Promise.all([
        waits((counter) => counter.get(pairOf(name, address))),
        addresses((counter) => counter.get(addressKey(address))),
      ]);
      const hour = ofAddress && ofAddress.consumedPoints >= FAILURES_PER_HOUR ? ofAddress.msBeforeNext : 0;
      return Math.ceil(Math.max(wait?.msBeforeNext ?? 0, hour) / 1000);
    },
    failed: async (name, address) => {
      const pair = pairOf(name, address);
      const [{ consumedPoints: failures }] = await Promise.all([
        pairs((counter) => counter.penalty(pair)),
        addresses((counter) => counter.penalty(addressKey(address))),
      ]);
      if (failures >= FREE_FAILURES) {
        const seconds = Math.min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** (failures - FREE_FAILURES));
        await waits((counter) => counter.block(pair, seconds));
      }
      return failures;
    },
    succeeded: async (name, address) => {
      await pairs((counter) => counter.delete(pairOf(name, address)));
    },
  };
}
