import { Cluster, Redis } from 'ioredis';
import { UsageError } from '../errors.ts';
import { parseRedisUrl } from '../settings/redis-address.ts';

/** A connection to one node, or to all nodes of a cluster: the commands are the same. */
export type RedisClient = Redis | Cluster;

const retryStrategy = (times: number) => Math.min(times * 100, 1000);

/** What a connection does while Redis is away. Times in milliseconds. */
export type Policy = {
  node: { maxRetriesPerRequest: number | null; connectTimeout: number; commandTimeout?: number };
  /** Whether commands wait in memory while nothing is connected. */
  queueWhileAway: boolean;
  /** How often a command of a cluster is sent again. */
  redirections: number;
};

/** Opens a connection to the address, and connects again for ever. Throws a UsageError for an address that is none. */
export function openRedis(url: string, { node, queueWhileAway, redirections }: Policy): RedisClient {
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

/** The connection leads to a replica. */
export const isReadOnly = (error: Error) => /\bREADONLY\b/.test(error.message);

/**
 * After a failover an old connection may still lead to the former master, which is a replica now and refuses every
 * write for ever. 2 connects anew, to whoever is master at this address, and sends the command again.
 */
const reconnectAtReplica = (error: Error): 2 | false => (isReadOnly(error) ? 2 : false);
