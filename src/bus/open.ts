import type { Logger } from '../logger.ts';
import { openAmqp } from './amqp.ts';
import type { Bus } from './bus.ts';
import { openRedisStreams } from './redis-streams.ts';

/** Opens the bus that an address names: AMQP, or Redis Streams. `prefix` begins the names of channels that have no own. */
export const openBus = (at: { url: string; prefix: string }, log: Logger): Bus =>
  /^amqps?:/.test(at.url) ? openAmqp(at, log) : openRedisStreams(at, log);
