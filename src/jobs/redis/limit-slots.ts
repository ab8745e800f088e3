import type { Producers } from './producers.ts';
import { perCluster, type QueueName } from './queues.ts';

/** Tells Redis how many jobs of a queue may run at once in the whole cluster. `slots`: chunks that the pace allows. */
export async function limitSlots({ queues }: Pick<Producers, 'queues'>, slots: number): Promise<void> {
  for (const [name, limit] of Object.entries(perCluster(slots))) {
    const queue = queues[name as QueueName];
    if ((await queue.getGlobalConcurrency()) !== limit) await queue.setGlobalConcurrency(limit);
  }
}
