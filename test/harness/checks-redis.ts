import { type Job, Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { QUEUES } from '../../src/jobs/redis/queues.ts';

const SWEEP = 'erasure.sweep';
/** A chunk that was sent out again waits up to a minute, also when its erasure is over. */
const LONGEST_DELAY_MS = 60_000;
/** The sweeps of a run come every few seconds. */
const NEXT_SWEEP_MS = 30_000;

/** Looks into Redis as it is: jobs that nobody will ever run, and the scheduler. Empty when all is well. */
export async function redisInOrder(url: string, prefix: string): Promise<string[]> {
  const connection = new Redis(url, { maxRetriesPerRequest: 2, commandTimeout: 3_000 });
  connection.on('error', () => {});
  const queues = new Map(QUEUES.map((name) => [name, new Queue(name, { connection, prefix })] as const));
  for (const queue of queues.values()) queue.on('error', () => {});
  try {
    const problems: string[] = [];
    for (const [name, queue] of queues) {
      if (name === 'housekeeping') continue;
      for (const job of await queue.getJobs(['waiting', 'prioritized', 'active', 'waiting-children', 'delayed']))
        problems.push(...problemOf(name, await job.getState(), job));
    }
    return [...problems, ...(await schedulerInOrder(queues.get('housekeeping') as Queue))];
  } finally {
    for (const queue of queues.values()) await queue.close().catch(() => {});
    connection.disconnect();
  }
}

/** Once every erasure is over a job may only still wait for its time. */
function problemOf(queue: string, state: string, job: Job): string[] {
  const due = job.timestamp + job.delay - Date.now();
  if (state === 'delayed' && due < LONGEST_DELAY_MS) return [];
  if (['completed', 'failed', 'unknown'].includes(state)) return [];
  return [`Redis: the job ${job.id} in ${queue} is left ${state}`];
}

async function schedulerInOrder(housekeeping: Queue): Promise<string[]> {
  const scheduler = await housekeeping.getJobScheduler(SWEEP);
  if (!scheduler) return ['Redis: the scheduler of the sweep is missing'];
  const away = (scheduler.next ?? Number.NaN) - Date.now();
  if (!(Math.abs(away) < NEXT_SWEEP_MS)) return [`Redis: the next sweep is due in ${Math.round(away / 1000)} s`];
  return [];
}
