import type { Producers } from './connection.ts';

/**
 * Tells Redis how many chunks may run at once in the whole cluster, and one step of an erasure more than that: a
 * step may erase a small account by itself, and a long last transaction must not keep the others waiting.
 */
export async function limitSlots({ queues }: Pick<Producers, 'queues'>, slots: number): Promise<void> {
  for (const [queue, limit] of [[queues.chunks, slots] as const, [queues.erasures, slots + 1] as const])
    if ((await queue.getGlobalConcurrency()) !== limit) await queue.setGlobalConcurrency(limit);
}
