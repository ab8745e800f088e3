import { FlowProducer, Queue, RedisConnection } from 'bullmq';
import { Cluster, Redis } from 'ioredis';
import { UsageError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import { parseRedisUrl } from '../../settings/redis-address.ts';
import { watchOutages } from './outages.ts';
import type { Producers, RedisClient } from './producers.ts';
import { QUEUES, type QueueName } from './queues.ts';
import { refusedCommands } from './rights.ts';

export type RedisOptions = { url: string; prefix: string };

/**
 * BullMQ asks INFO for the version, and a worker whose user may not ask spins for ever, with its event loop dead. It is not
 * asked (`skipVersionCheck`), and then takes this for the version: the oldest that we support.
 */
RedisConnection.minimumVersion = '6.2.0';

const retryStrategy = (times: number) => Math.min(times * 100, 1000);

/**
 * Opens what adds and reads jobs. It fails fast: nothing is queued in memory while Redis is away, and
 * a command on a connection that no longer answers is given up. The caller can go on without
 * Redis, and reconcile makes up for it.
 */
export function openProducers(options: RedisOptions, log: Logger): Producers {
  const redis = open(options.url, {
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
  const redis = open(options.url, {
    node: { maxRetriesPerRequest: null, connectTimeout: 2000 },
    queueWhileAway: true,
    redirections: Number.POSITIVE_INFINITY,
  });
  watchOutages(redis, log);
  return redis;
}

type Policy = {
  node: { maxRetriesPerRequest: number | null; connectTimeout: number; commandTimeout?: number };
  /** Whether commands wait in memory while nothing is connected. */
  queueWhileAway: boolean;
  /** How often a command of a cluster is sent again. */
  redirections: number;
};

function open(url: string, { node, queueWhileAway, redirections }: Policy): RedisClient {
  const address = parseRedisUrl(url);
  if ('problem' in address) throw new UsageError([`the address of Redis: ${address.problem}`]);
  const one = { ...node, enableOfflineQueue: queueWhileAway, retryStrategy, reconnectOnError: reconnectAtReplica };
  if (address.kind === 'node') return new Redis({ ...address.options, ...one });
  const { username, password, tls } = address;
  const login = { ...(username ? { username } : {}), ...(password ? { password } : {}), ...(tls ? { tls: {} } : {}) };
  if (address.kind === 'sentinel') {
    const { sentinels, master: name } = address;
    const secure = tls ? { enableTLSForSentinelMode: true, sentinelTLS: {} } : {};
    return new Redis({ ...one, ...login, ...secure, sentinels, name, sentinelRetryStrategy: retryStrategy });
  }
  return new Cluster(address.nodes, {
    redisOptions: { ...node, ...login },
    enableOfflineQueue: queueWhileAway,
    maxRedirections: redirections,
    clusterRetryStrategy: retryStrategy,
    // A certificate is for the name that was asked for: looked up, it would be compared with an address.
    ...(tls ? { dnsLookup: (host, found) => found(null, host) } : {}),
  });
}

/** Redis has lost a script (SCRIPT FLUSH, or no memory when it was sent) that the client believes to be there. */
const lacksScripts = (error: Error) => /\bNOSCRIPT\b/.test(error.message);

const isReadOnly = (error: Error) => /\bREADONLY\b/.test(error.message);

/**
 * After a failover an old connection may still lead to the former master, which is a replica now and refuses every
 * write for ever. 2 connects anew, to whoever is master at this address, and sends the command again.
 */
const reconnectAtReplica = (error: Error): 2 | false => (isReadOnly(error) ? 2 : false);
