/** Queues per resource, not per job: parents, database work, calls to other systems, mail, what runs on a clock, the dataset. */
export const QUEUES = ['erasures', 'chunks', 'partners', 'mail', 'housekeeping', 'dataset'] as const;
export type QueueName = (typeof QUEUES)[number];

/** How many jobs of a queue run at once in one worker; `configured` is `LETHE_CONCURRENCY`. */
export const perWorker = (configured: number): Record<QueueName, number> => ({
  erasures: 4,
  chunks: configured,
  partners: 4,
  mail: 2,
  housekeeping: 1,
  dataset: 1,
});

/**
 * How many jobs of a queue run at once in the whole cluster, where that is limited. `slots`: chunks that the pace
 * allows. A step may erase a small account by itself, so that a long last transaction must not keep all others waiting.
 * Two builds of the dataset would only do the same.
 */
export const perCluster = (slots: number): Partial<Record<QueueName, number>> => ({
  chunks: slots,
  erasures: slots + 1,
  dataset: 1,
});
