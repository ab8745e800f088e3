import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { freePort } from './free-port.ts';
import { type Running, start, stop, waitForOutput } from './process.ts';
import { sweepUp } from './reaper.ts';

export type RedisServer = {
  url: string;
  pid: () => number;
  /** `SIGKILL` loses what is in memory, which is everything: nothing is written to disk. */
  stop: (signal?: NodeJS.Signals) => Promise<void>;
  start: () => Promise<void>;
  /** Highest memory of the data so far, in MiB, as Redis counts it. */
  peakMemory: () => Promise<number>;
  destroy: () => Promise<void>;
};

/** The server's command, or null: Redis and Valkey speak the same protocol. */
export function findRedis(): string | null {
  for (const command of ['redis-server', 'valkey-server']) {
    try {
      execFileSync(command, ['--version'], { stdio: 'ignore' });
      return command;
    } catch {
      // Not installed; the next one may be.
    }
  }
  return null;
}

/**
 * Starts a Redis of its own on a free port of loopback. It is in memory only, or `durable` with an append-only file;
 * `more` flags go to the server.
 */
export async function startRedis({ durable = false, more = [] as string[] } = {}): Promise<RedisServer> {
  const command = findRedis();
  if (!command) throw new Error('neither redis-server nor valkey-server is on the PATH');
  const folder = mkdtempSync(join(tmpdir(), 'lethe-redis-'));
  sweepUp(folder);
  let running: Running | undefined;
  let port = await freePort();
  const launch = async () => {
    const flags = [
      '--port',
      String(port),
      '--bind',
      '127.0.0.1',
      '--save',
      '',
      '--appendonly',
      durable ? 'yes' : 'no',
      '--dir',
      folder,
      '--maxmemory-policy',
      'noeviction',
      '--daemonize',
      'no',
      ...more,
    ];
    running = start(command, flags);
    await waitForOutput(running, (o) => /ready to accept connections/i.test(o), 20_000, 'Redis');
  };
  const halt = async (signal: NodeJS.Signals = 'SIGTERM') => {
    if (running) await stop(running, signal);
  };
  await launch().catch(async () => {
    await halt();
    port = await freePort();
    await launch();
  });
  return {
    url: `redis://127.0.0.1:${port}`,
    pid: () => running?.pid ?? -1,
    stop: halt,
    start: launch,
    peakMemory: async () => {
      const redis = new Redis(port, '127.0.0.1');
      const info = await redis.info('memory');
      redis.disconnect();
      return Number(/used_memory_peak:(\d+)/.exec(info)?.[1]) / 2 ** 20;
    },
    destroy: async () => {
      await halt();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
