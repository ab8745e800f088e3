import { Queue, type QueueOptions, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { expect } from 'vitest';
import { until } from './until.ts';
import type { Answer, Call } from './world.ts';

export const QUEUES = '/admin/queues';
type Dashboard = Call & { base: string };

/** The sign-in form as a browser sends it, from the dashboard's own site unless told. */
export function signIn(call: Dashboard, name: string, password: string, headers: Record<string, string> = {}) {
  return call('POST', '/admin/login', {
    auth: null,
    raw: new URLSearchParams({ name, password }).toString(),
    headers: { 'Content-Type': 'application/x-www-form-urlencoded', Origin: call.base, ...headers },
  });
}

/** `name=value` of the cookie that a successful sign-in sets. */
export async function cookieOf(call: Dashboard, name: string, password: string): Promise<string> {
  const answer = await signIn(call, name, password);
  expect([answer.status, answer.headers.get('location')]).toEqual([303, '/admin/erasures']);
  return String(answer.headers.get('set-cookie')).split(';')[0] as string;
}

/** The board as its own page calls it: same origin, signed in with `cookie`. */
export const board =
  (call: Dashboard, cookie: string | null) =>
  (method: string, path: string, body?: unknown): Promise<Answer> =>
    call(method, QUEUES + path, {
      auth: null,
      body,
      headers: { ...(cookie ? { Cookie: cookie } : {}), 'Sec-Fetch-Site': 'same-origin', Origin: call.base },
    });

/** Every key under the prefix with all that it holds, as text. */
export async function dump(redis: Redis, prefix: string): Promise<string> {
  const keys = new Set<string>();
  for (let cursor = '0', first = true; first || cursor !== '0'; first = false) {
    const [next, found] = await redis.scan(cursor, 'MATCH', `${prefix}*`, 'COUNT', 500);
    cursor = next;
    for (const key of found) keys.add(key);
  }
  // In an order of their own: Redis gives another one while it grows its table.
  const lines: string[] = [];
  for (const key of [...keys].sort()) lines.push(key, JSON.stringify(await read(redis, key)));
  return lines.join('\n');
}

async function read(redis: Redis, key: string): Promise<unknown> {
  const type = await redis.type(key);
  if (type === 'string') return redis.get(key);
  if (type === 'hash') return redis.hgetall(key);
  if (type === 'list') return redis.lrange(key, 0, -1);
  if (type === 'set') return redis.smembers(key);
  if (type === 'zset') return redis.zrange(key, '0', '-1', 'WITHSCORES');
  if (type === 'stream') return redis.xrange(key, '-', '+');
  if (type === 'none') return null;
  throw new Error(`a key of type ${type}`);
}

/** The board's own routes, so that one that a later version adds is tried as well. */
export async function boardRoutes(): Promise<{ read: string[]; write: [string, string][] }> {
  const { appRoutes }: { appRoutes: { api: { method: string | string[]; route: string }[] } } = await import(
    new URL('../../node_modules/@bull-board/api/dist/routes.js', import.meta.url).href
  );
  const all = appRoutes.api.flatMap(({ method, route }) =>
    [method].flat().map((m): [string, string] => [m.toUpperCase(), route]),
  );
  return { read: all.filter(([m]) => m === 'GET').map(([, r]) => r), write: all.filter(([m]) => m !== 'GET') };
}

/** A queue with a job that has failed, one that waits, one that is delayed, and a scheduler with its own. */
export async function queueWithJobs(name: string, options: QueueOptions): Promise<Queue> {
  const queue = new Queue(name, options);
  await queue.add('mail.send', { notificationId: 'a' }, { jobId: 'failing' });
  await failWaiting(queue, options, 1);
  await queue.add('mail.send', { notificationId: 'b' }, { jobId: 'waiting' });
  await queue.add('mail.send', { notificationId: 'c' }, { jobId: 'later', delay: 3_600_000 });
  await queue.upsertJobScheduler('tick', { pattern: '0 0 1 1 *' }, { name: 'mail.send', data: {} });
  return queue;
}

/** Runs what waits into failure, until `count` jobs have failed. */
export async function failWaiting(queue: Queue, options: QueueOptions, count: number): Promise<void> {
  const worker = new Worker(queue.name, async () => Promise.reject(new Error('not today')), options);
  await until('the jobs have failed', async () => (await queue.getFailedCount()) === count);
  await worker.close();
}

export const jobCounts = (queue: Queue) => queue.getJobCounts('failed', 'wait', 'delayed', 'completed');
