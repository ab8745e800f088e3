import { FlowProducer, Queue, RedisConnection } from 'bullmq';
import { Redis } from 'ioredis';
import type { Logger } from '../../logger.ts';
import { isReadOnly, openRedis, type RedisClient } from '../../redis/open.ts';
import { watchOutages } from '../../redis/outages.ts';
import type { Producers } from './producers.ts';
import { QUEUES, type QueueName } from './queues.ts';
import { refusedCommands } from './rights.ts';

export type RedisOptions = { url: string; prefix: string };

/**
 * BullMQ asks INFO for the version, and a worker whose user may not ask spins for ever, with its event loop dead. It is not
 * asked (`skipVersionCheck`), and then takes this for the version: the oldest that we support.
 */
RedisConnection.minimumVersion = '6.2.0';

/**
 * Opens what adds and reads jobs. It fails fast: nothing is queued in memory while Redis is away, and
 * a command on a connection that no longer answers is given up. The caller can go on without
 * Redis, and reconcile makes up for it.
 */
export function openProducers(options: RedisOptions, log: Logger): Producers {
  const redis = openRedis(options.url, {
    node: { maxRetriesPerRequest: 1, connectTimeout: 1000, commandTimeout: 5000 },
    queueWhileAway: false,
    // A node that is away is asked again every 100 ms, so a command ends within a second.
    redirections: 8,
  });
  const outages = watchOutages(redis, log);
  const shared = {
    connection: redis,
    prefix: options.prefix,
    skipWaitingForReady: true,
    skipVersionCheck: true,
    skipMetasUpdate: true,
  };
  const entries = QUEUES.map((name) => [name, new Queue(name, shared)] as const);
  const flow = new FlowProducer(shared);
  // Every queue forwards the connection's errors; without a listener one would end the process.
  flow.on('error', outages.report);
  for (const [, queue] of entries) queue.on('error', outages.report);
  return {
    flow,
    queues: Object.fromEntries(entries) as Record<QueueName, Queue>,
    redis,
    // Not PING: it has no key, so any node of a cluster answers it while the one with our keys is away.
    refused: () => refusedCommands(redis, options.prefix),
    onReady: outages.onReady,
    mendConnection: (error) => {
      const leadsToReplica = redis instanceof Redis && redis.status === 'ready' && isReadOnly(error as Error);
      if (leadsToReplica || lacksScripts(error as Error)) redis.disconnect(true);
    },
    close: async () => redis.disconnect(),
  };
}

/** A connection for workers: its commands wait for Redis to come back. */
export function openWorkerConnection(options: RedisOptions, log: Logger): RedisClient {
  const redis = openRedis(options.url, {
    node: { maxRetriesPerRequest: null, connectTimeout: 2000 },
    queueWhileAway: true,
    redirections: Number.POSITIVE_INFINITY,
  });
  watchOutages(redis, log);
  return redis;
}

/** Redis has lost a script (SCRIPT FLUSH, or no memory when it was sent) that the client believes to be there. */
const lacksScripts = (error: Error) => /\bNOSCRIPT\b/.test(error.message);
