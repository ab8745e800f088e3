import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { FlowProducer, Worker } from 'bullmq';
import type { PostgresServer } from '../dev/postgres.ts';
import { startRedis } from '../dev/redis.ts';
import { withDeployment } from './deployed.ts';

/** Ticks of the kernel's clock in a second, in /proc; the same on every Linux of today. */
const TICKS = 100;

/** What a worker without work takes: percent of one processor, and resident memory in MiB. */
export async function measureIdleWorker(
  server: PostgresServer,
  template: string,
  seconds: number,
): Promise<{ cpuPercent: number; memory: number }> {
  return withDeployment(server, template, 1, {}, async ({ lethe }) => {
    const [pid] = lethe.workerPids() as [number];
    const ticks = () => {
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
      return Number(fields[11]) + Number(fields[12]);
    };
    await pause(3_000);
    const before = ticks();
    await pause(seconds * 1000);
    const cpuPercent = (100 * (ticks() - before)) / TICKS / seconds;
    const [, kb] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return { cpuPercent, memory: Math.round(Number(kb) / 1024) };
  });
}

/** Milliseconds of BullMQ itself for each chunk job: windows of 32 that do nothing, two at a time. */
export async function measureQueueCost(windows: number): Promise<number> {
  const redis = await startRedis({ durable: true });
  const connection = { url: redis.url, maxRetriesPerRequest: null };
  const options = { connection, prefix: '{bench}' };
  const flow = new FlowProducer(options);
  const ended = new Map<string, () => void>();
  const parents = new Worker('parents', async (job) => ended.get(job.id as string)?.(), options);
  const children = new Worker('children', async () => {}, { ...options, concurrency: 2 });
  try {
    const window = async (n: number) => {
      const over = new Promise<void>((resolve) => ended.set(`w${n}`, resolve));
      await flow.add({
        name: 'parent',
        queueName: 'parents',
        opts: { jobId: `w${n}` },
        children: Array.from({ length: 32 }, () => ({ name: 'child', queueName: 'children', data: { id: n } })),
      });
      await over;
    };
    await window(0);
    const started = performance.now();
    for (let n = 1; n <= windows; n++) await window(n);
    return (performance.now() - started) / (32 * windows);
  } finally {
    await Promise.all([parents.close(), children.close()]);
    await flow.close();
    await redis.destroy();
  }
}
