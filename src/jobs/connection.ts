import { FlowProducer, Queue } from 'bullmq';
import { Redis } from 'ioredis';
import type { Logger } from '../logger.ts';
import { QUEUES, type QueueName } from './contracts.ts';

export type RedisOptions = { url: string; prefix: string };

/** Producers of every queue on one connection. */
export type Producers = {
  flow: FlowProducer;
  queues: Record<QueueName, Queue>;
  redis: Redis;
  close: () => Promise<void>;
};

const retryStrategy = (times: number) => Math.min(times * 100, 1000);

/**
 * Opens what adds and reads jobs. It fails fast: nothing is queued in memory while Redis is away, and
 * a command on a connection that no longer answers is given up, because the caller can go on without
 * Redis and reconcile makes up for it.
 */
export function openProducers(options: RedisOptions, log: Logger): Producers {
  const redis = new Redis(options.url, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 1,
    connectTimeout: 1000,
    commandTimeout: 5000,
    retryStrategy,
  });
  const quiet = logOutages(redis, log);
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
  flow.on('error', quiet);
  for (const [, queue] of entries) queue.on('error', quiet);
  return {
    flow,
    queues: Object.fromEntries(entries) as Record<QueueName, Queue>,
    redis,
    close: async () => redis.disconnect(),
  };
}

/** A connection for workers: its commands wait for Redis to come back. */
export function openWorkerConnection(options: RedisOptions, log: Logger): Redis {
  const redis = new Redis(options.url, { maxRetriesPerRequest: null, connectTimeout: 2000, retryStrategy });
  logOutages(redis, log);
  return redis;
}

/** One line when Redis goes away and one when it is back, instead of one per attempt. */
function logOutages(redis: Redis, log: Logger): (error: Error) => void {
  let away = false;
  const report = (error: Error) => {
    if (!away) log.warn({ code: (error as NodeJS.ErrnoException).code ?? error.name }, 'Redis is away');
    away = true;
  };
  redis.on('error', report);
  redis.on('ready', () => {
    if (away) log.info('Redis is back');
    away = false;
  });
  return report;
}
