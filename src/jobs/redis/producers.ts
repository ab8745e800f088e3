import type { FlowProducer, Queue } from 'bullmq';
import type { Cluster, Redis } from 'ioredis';
import type { QueueName } from './queues.ts';

/** A connection to one node, or to all nodes of a cluster: the commands are the same. */
export type RedisClient = Redis | Cluster;

/** Producers of every queue on one connection. */
export type Producers = {
  flow: FlowProducer;
  queues: Record<QueueName, Queue>;
  redis: RedisClient;
  /** What the node that holds our keys refuses of what adding and fetching jobs needs; rejects unless it can write. */
  refused: () => Promise<string[]>;
  /** Calls when Redis is reachable: at first, and each time it was away. */
  onReady: (listener: () => void) => void;
  /** Connects anew when this error of a command in a transaction, which the client does not see, says that it must. */
  mendConnection: (error: unknown) => void;
  close: () => Promise<void>;
};
