import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Queue, QueueEvents } from 'bullmq';
import { peakMemory } from '../dev/evidence.ts';
import type { RedisServer } from '../dev/redis.ts';
import type { Ready } from './ready.ts';

const QUEUE = 'plain';

/** What a team writes in a day: one job deletes one account; its worker is a process of its own. */
export async function deployPlainJob(url: string, redis: RedisServer, account: string): Promise<Ready> {
  const child = fork(fileURLToPath(new URL('plain-worker.ts', import.meta.url)), [url, redis.url, QUEUE], {
    execArgv: ['--import', 'tsx'],
  });
  await once(child, 'message');
  const connection = { url: redis.url };
  const queue = new Queue(QUEUE, { connection });
  const events = new QueueEvents(QUEUE, { connection });
  await events.waitUntilReady();
  return {
    erase: async () => {
      const job = await queue.add('delete-account', { account });
      await job.waitUntilFinished(events);
      return {};
    },
    memory: () => peakMemory(child.pid as number) ?? Number.NaN,
    stop: async () => {
      child.kill();
      await once(child, 'exit');
      await events.close();
      await queue.close();
    },
  };
}
