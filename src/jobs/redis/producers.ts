import type { FlowProducer, Queue } from 'bullmq';
import type { RedisClient } from '../../redis/open.ts';
import type { QueueName } from './queues.ts';

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
