import type { Producers } from '../../jobs/redis/producers.ts';

/** How delivery is doing, in words. `well`: nobody needs to do anything. */
export type QueueHealth = { well: boolean; words: string };

/** A page must not wait for a Redis that does not answer. */
const PATIENCE_MS = 800;
const many = (n: number, one: string) => `${n.toLocaleString('en-US')} ${one}${n === 1 ? '' : 's'}`;

/** Jobs and workers as Redis knows them. That Redis is away is an answer, too. Never throws. */
export async function readQueueHealth({ producers }: { producers: Pick<Producers, 'queues'> }): Promise<QueueHealth> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('timeout')), PATIENCE_MS);
  });
  try {
    return await Promise.race([ask(producers), late]);
  } catch {
    return {
      well: false,
      words: 'Redis cannot be reached: nothing is delivered until it is back. Nothing is lost meanwhile.',
    };
  } finally {
    clearTimeout(timer);
  }
}

async function ask({ queues }: Pick<Producers, 'queues'>): Promise<QueueHealth> {
  const [workers, ...counts] = await Promise.all([
    // Redis may refuse CLIENT LIST where it allows all else. Then the number of workers is unknown.
    queues.chunks.getWorkersCount().catch((error: Error) => {
      if (/\bNOPERM\b/.test(error.message)) return undefined;
      throw error;
    }),
    ...Object.values(queues).map((queue) => queue.getJobCounts('wait', 'prioritized', 'active', 'failed')),
  ]);
  const sum = (...names: string[]) =>
    counts.reduce((n, one) => n + names.reduce((m, name) => m + (one[name] ?? 0), 0), 0);
  const jobs = `${many(sum('active'), 'job')} running, ${sum('wait', 'prioritized').toLocaleString('en-US')} waiting, ${sum('failed').toLocaleString('en-US')} failed in the last week.`;
  if (workers === 0)
    return { well: false, words: `No worker is connected: nothing is erased until one is started. ${jobs}` };
  return { well: true, words: workers === undefined ? jobs : `${many(workers, 'worker')}. ${jobs}` };
}
