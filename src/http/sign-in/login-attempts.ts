import { type RateLimiterAbstract, RateLimiterMemory, RateLimiterRedis } from 'rate-limiter-flexible';
import type { Config } from '../../config.ts';
import type { Producers } from '../../jobs/redis/producers.ts';
import type { Logger } from '../../logger.ts';
import { createAskRedis, deadlineFromNow } from '../access/patience.ts';
import { countedAs } from '../access/rate-limit.ts';
import { networksOf } from '../server/client-address.ts';

const HOUR_SECONDS = 3_600;
const DAY_SECONDS = 24 * HOUR_SECONDS;
/**
 * How many wrong passwords of one name cost nothing yet: from an address, from its /56 and from its /48. One customer
 * may have a whole /48. After that the wait doubles each time.
 */
const FREE_FAILURES = [5, 10, 20];
const FIRST_WAIT_SECONDS = 30;
const LONGEST_WAIT_SECONDS = HOUR_SECONDS;
/** The most wrong passwords an hour, whatever the names. Behind a proxy that is not trusted all share the first number. */
const FAILURES_PER_HOUR = [100, 200, 400];
/** Wrong passwords of one name an hour, wherever from. Beyond them one attempt is looked at in so many seconds. */
const FREE_OF_NAME = 50;
const SLOW_SECONDS = 10;
/** How long an address is known for a name that has signed in from it. */
const KNOWN_SECONDS = 30 * DAY_SECONDS;

/** What it takes to count attempts. */
export type Counting = {
  ctx: { log: Pick<Logger, 'warn' | 'info'> };
  config: Pick<Config, 'LETHE_SECRET' | 'LETHE_REDIS_PREFIX'>;
  producers: Pick<Producers, 'redis'>;
};

/** An attempt that is looked at. `failures`: how many this name has had from this address within a day, with this one. */
export type Attempt = { failures: number; succeeded: () => Promise<void> };

export type LoginAttempts = {
  /** Seconds until this address may try this name again; 0: now. */
  waitFor: (name: string, address: string) => Promise<number>;
  /** Whether this name has signed in from this address lately. */
  knows: (name: string, address: string) => Promise<boolean>;
  /** Counts an attempt as failed before it is looked at, so that none slips in between. Else gives the seconds to wait. */
  begin: (name: string, address: string) => Promise<Attempt | number>;
};

/**
 * Counts failed sign-ins in Redis, for all API processes together. While Redis is away each process counts by itself. A
 * name is closed only for the network that failed. It is slow for addresses from which it never signed in. Otherwise
 * anybody could lock its owner out.
 */
export function createLoginAttempts(api: Counting): LoginAttempts {
  const askRedis = createAskRedis(api.ctx.log, 'failed sign-ins are counted in this process only');
  const counter = (name: string, duration: number) => {
    const options = { keyPrefix: `${api.config.LETHE_REDIS_PREFIX}:login:${name}`, points: 0, duration };
    const shared = new RateLimiterRedis({ ...options, storeClient: api.producers.redis });
    const own = new RateLimiterMemory(options);
    return async <T>(use: (counter: RateLimiterAbstract) => Promise<T>): Promise<T> =>
      (await askRedis(async () => ({ found: await use(shared) }), deadlineFromNow()))?.found ?? use(own);
  };
  const pairs = counter('failures', DAY_SECONDS);
  const waits = counter('waits', DAY_SECONDS);
  const addresses = counter('addresses', HOUR_SECONDS);
  const names = counter('names', HOUR_SECONDS);
  const slow = counter('slow', SLOW_SECONDS);
  const known = counter('known', KNOWN_SECONDS);
  const keyOf = (...of: string[]) => countedAs(api.config, 'login', ...of);
  const seconds = (ms: number) => Math.ceil(ms / 1000);
  const knows = async (name: string, address: string) =>
    (await known((counter) => counter.get(keyOf(address, name)))) !== null;

  const waitFor = async (name: string, address: string) => {
    const each = networksOf(address).map(async (network, i) => {
      const [wait, ofNetwork] = await Promise.all([
        waits((counter) => counter.get(keyOf(network, name))),
        addresses((counter) => counter.get(keyOf(network))),
      ]);
      const hour = (ofNetwork?.consumedPoints ?? 0) >= Number(FAILURES_PER_HOUR[i]) ? ofNetwork?.msBeforeNext : 0;
      return Math.max(wait?.msBeforeNext ?? 0, hour ?? 0);
    });
    return seconds(Math.max(...(await Promise.all(each))));
  };

  /** Counts an attempt for one of the networks. `wait`: milliseconds, when another attempt was faster. */
  const count = async (name: string, network: string, level: number) => {
    const [pair, all] = [keyOf(network, name), keyOf(network)];
    const [{ consumedPoints: failures }, ofNetwork] = await Promise.all([
      pairs((counter) => counter.penalty(pair)),
      addresses((counter) => counter.penalty(all)),
    ]);
    const free = Number(FREE_FAILURES[level]);
    const customDuration = Math.min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** Math.max(0, failures - free));
    // The attempt that sets the wait is looked at. All others find it set.
    const wait = failures >= free ? await waits((counter) => counter.penalty(pair, 1, { customDuration })) : undefined;
    const late = wait && wait.consumedPoints > 1 ? wait.msBeforeNext : 0;
    const over = ofNetwork.consumedPoints > Number(FAILURES_PER_HOUR[level]) ? ofNetwork.msBeforeNext : 0;
    const giveBack = () =>
      Promise.all([
        pairs((counter) => counter.reward(pair)),
        addresses((counter) => counter.reward(all)),
        wait && late === 0 ? waits((counter) => counter.delete(pair)) : undefined,
      ]);
    return { failures, wait: Math.max(late, over), giveBack };
  };

  return {
    waitFor,
    knows,
    begin: async (name, address) => {
      const before = await waitFor(name, address);
      if (before > 0) return before;
      const ofName = await names((counter) => counter.penalty(keyOf(name)));
      if (ofName.consumedPoints > FREE_OF_NAME && !(await knows(name, address))) {
        const turn = await slow((counter) => counter.penalty(keyOf(name)));
        if (turn.consumedPoints > 1) return seconds(turn.msBeforeNext);
      }
      const counted = await Promise.all(networksOf(address).map((network, level) => count(name, network, level)));
      const wait = Math.max(...counted.map((one) => one.wait));
      if (wait > 0) {
        await Promise.all(counted.map((one) => one.giveBack()));
        return seconds(wait);
      }
      const succeeded = async () => {
        await Promise.all([
          ...counted.map((one) => one.giveBack()),
          names((counter) => counter.reward(keyOf(name))),
          known((counter) => counter.set(keyOf(address, name), 1, KNOWN_SECONDS)),
        ]);
        await pairs((counter) => counter.delete(keyOf(address, name)));
      };
      return { failures: counted[0]?.failures ?? 0, succeeded };
    },
  };
}
