import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort } from '../../dev/free-port.ts';
import { type Running, start, stop } from '../../dev/process.ts';
import { sweepUp } from '../../dev/reaper.ts';

/** A process that is started again whenever it ends, as an orchestrator would. */
export type Supervised = {
  name: string;
  pid: () => number;
  /** How often it has been started. */
  lives: () => number;
  /** Sends a signal and waits until the next life has begun. */
  end: (signal: 'SIGKILL' | 'SIGTERM') => Promise<void>;
  stop: () => Promise<void>;
};

export type Deployment = {
  outbox: string;
  processes: Supervised[];
  process: (name: string) => Supervised;
  /** Sends a request with the key of an administrator. */
  call: (method: string, path: string, body?: object, headers?: Record<string, string>) => Promise<Response>;
  /** Ends that nobody asked for, and ends on request that were not clean. */
  crashes: string[];
  stop: () => Promise<void>;
};

const RESTART_MS = 250;
const secret = () => randomBytes(24).toString('base64url');

/** One API and two workers as they are deployed: the built code, real processes, each with a supervisor. */
export async function deploy(databaseUrl: string, redisUrl: string): Promise<Deployment> {
  const folder = mkdtempSync(join(tmpdir(), 'lethe-soak-'));
  sweepUp(folder);
  const key = secret();
  const port = String(await freePort());
  const outbox = join(folder, 'outbox');
  const env = {
    PATH: process.env.PATH,
    NODE_ENV: 'production',
    DATABASE_URL: databaseUrl,
    REDIS_URL: redisUrl,
    HOST: '127.0.0.1',
    PORT: port,
    LETHE_SECRET: secret(),
    LETHE_API_KEYS: `soak=admin=${createHash('sha256').update(key).digest('hex')}`,
    LETHE_MAIL: 'outbox',
    LETHE_MAIL_OUTBOX: outbox,
    LETHE_RATE_LIMIT: '100000',
    // An hour is long for a soak: what is scheduled starts within ten seconds.
    LETHE_SWEEP_CRON: '*/10 * * * * *',
    LETHE_RECONCILE_INTERVAL: '5s',
    LETHE_SHUTDOWN_TIMEOUT: '5s',
    LETHE_METRICS_PORT: '0',
  };
  const crashes: string[] = [];
  const processes = [
    supervise('api', ['api'], env, '"port":', crashes),
    supervise('worker-1', ['worker'], env, '"working"', crashes),
    supervise('worker-2', ['worker'], env, '"working"', crashes),
  ];
  await Promise.all(processes.map((one) => one.ready()));
  const base = `http://127.0.0.1:${port}`;
  return {
    outbox,
    processes,
    process: (name) => processes.find((one) => one.name === name) as Supervised,
    call: (method, path, body, headers = {}) =>
      fetch(base + path, {
        method,
        headers: {
          Authorization: `Bearer ${key}`,
          ...(body ? { 'Content-Type': 'application/json' } : {}),
          ...headers,
        },
        ...(body ? { body: JSON.stringify(body) } : {}),
      }),
    crashes,
    stop: async () => {
      await Promise.all(processes.map((one) => one.stop()));
    },
  };
}

function supervise(name: string, args: string[], env: NodeJS.ProcessEnv, started: string, crashes: string[]) {
  let running: Running;
  let lives = 0;
  let stopping = false;
  let expected: 'SIGKILL' | 'SIGTERM' | undefined;

  const launch = () => {
    lives += 1;
    const life = start(process.execPath, ['dist-soak/cli/lethe.js', ...args], { env });
    running = life;
    void life.exited.then(async (code) => {
      // Killed, it has no code; told to stop, it ends with 0, or with 1 when its deadline passed.
      if (expected === undefined || (expected === 'SIGTERM' && code !== 0))
        crashes.push(
          `${name}, life ${lives}: exit ${code} after ${expected ?? 'nothing'}: ${life.output().slice(-500)}`,
        );
      expected = undefined;
      if (stopping) return;
      await pause(RESTART_MS);
      launch();
    });
  };
  const ready = async () => {
    const end = Date.now() + 30_000;
    while (!running.output().includes(started)) {
      if (Date.now() > end) throw new Error(`${name} did not start:\n${running.output().slice(-2000)}`);
      await pause(25);
    }
  };
  launch();
  return {
    name,
    pid: () => running.pid,
    lives: () => lives,
    ready,
    end: async (signal: 'SIGKILL' | 'SIGTERM') => {
      const life = lives;
      expected = signal;
      running.child.kill(signal);
      while (lives === life) await pause(25);
      await ready();
    },
    stop: async () => {
      stopping = true;
      expected = 'SIGTERM';
      await stop(running);
    },
  };
}
