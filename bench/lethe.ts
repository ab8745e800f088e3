import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { Agent, type RequestOptions, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Sql } from 'postgres';
import { peakMemory } from '../dev/evidence.ts';
import { type Running, start, stop, waitForOutput } from '../dev/process.ts';
import { sweepUp } from '../dev/reaper.ts';
import type { RedisServer } from '../dev/redis.ts';

export type Answer = { status: number; ok: boolean; text: string };

export type Deployment = {
  base: string;
  /** Sends a request with the key of an administrator. */
  call: (method: string, path: string, body?: object) => Promise<Answer>;
  apiPid: number;
  workerPids: () => number[];
  /** One more worker, with these options besides. */
  addWorker: (env: Record<string, string>) => Promise<void>;
  /** Highest resident memory of a worker so far, in MiB. */
  workerMemory: () => number;
  stop: () => Promise<void>;
};

const secret = () => randomBytes(24).toString('base64url');

/** The API and workers as they are deployed: the built code, real processes, on this database and Redis. `nodeOptions` are for all of them. */
export async function deploy(
  databaseUrl: string,
  redis: Pick<RedisServer, 'url'>,
  workers: number,
  env: Record<string, string> = {},
  nodeOptions: readonly string[] = [],
): Promise<Deployment> {
  const folder = mkdtempSync(join(tmpdir(), 'lethe-bench-'));
  sweepUp(folder);
  const key = secret();
  const all = {
    PATH: process.env.PATH,
    NODE_ENV: 'production',
    DATABASE_URL: databaseUrl,
    REDIS_URL: redis.url,
    HOST: '127.0.0.1',
    PORT: '0',
    LETHE_SECRET: secret(),
    LETHE_MAIL: 'outbox',
    LETHE_MAIL_OUTBOX: join(folder, 'outbox'),
    LETHE_RATE_LIMIT: '0',
    LETHE_SHUTDOWN_TIMEOUT: '5s',
    ...env,
    LETHE_API_KEYS: [`bench=admin=${createHash('sha256').update(key).digest('hex')}`, env.LETHE_API_KEYS]
      .filter(Boolean)
      .join(','),
  };
  const run = (role: string, more: Record<string, string> = {}) =>
    start(process.execPath, [...nodeOptions, 'dist/cli/lethe.js', role], { env: { ...all, ...more } });
  const api = run('api');
  const working: Running[] = [];
  const addWorker = async (more: Record<string, string>) => {
    const worker = run('worker', more);
    working.push(worker);
    await waitForOutput(worker, (output) => output.includes('"working"'), 30_000, 'a worker');
  };
  const port = /"port":(\d+)/;
  await Promise.all([
    waitForOutput(api, (output) => port.test(output), 30_000, 'the API'),
    ...Array.from({ length: workers }, () => addWorker({})),
  ]);
  const base = `http://127.0.0.1:${port.exec(api.output())?.[1]}`;
  const agent = new Agent({ keepAlive: true });
  const workerPids = () => working.map((worker) => worker.pid);
  return {
    base,
    call: (method, path, body) => {
      const sent = body ? JSON.stringify(body) : '';
      const type = body ? { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(sent) } : {};
      return send(base + path, { method, agent, headers: { Authorization: `Bearer ${key}`, ...type } }, sent);
    },
    apiPid: api.pid,
    workerPids,
    addWorker,
    workerMemory: () => Math.max(...workerPids().map((pid) => peakMemory(pid) ?? Number.NaN)),
    stop: async () => {
      agent.destroy();
      await Promise.all([api, ...working].map((process) => stop(process)));
    },
  };
}

/** Not `fetch`, which takes half a millisecond of the client's own for each request: that is nobody's erasure. */
const send = (url: string, options: RequestOptions, body: string): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const asking = request(url, options, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (part: string) => {
        text += part;
      });
      answer.on('error', reject);
      answer.on('end', () => {
        const status = answer.statusCode as number;
        resolve({ status, ok: status < 300, text });
      });
    });
    asking.on('error', reject);
    asking.end(body);
  });

/** Asks for an erasure that starts at once and returns its id. */
export async function ask(lethe: Deployment, account: string): Promise<string> {
  const response = await lethe.call('POST', `/v1/accounts/${account}/erasure`, { startNow: true });
  if (!response.ok) throw new Error(`POST: ${response.status} ${response.text}`);
  return (JSON.parse(response.text) as { id: string }).id;
}

/** Waits until none of these erasures is live; looks where it costs next to nothing: at the primary key. */
export async function waitForCompletion(sql: Sql, ids: readonly string[], limitMs: number): Promise<void> {
  const end = performance.now() + limitMs;
  for (;;) {
    const [row] = await sql<{ open: number; bad: string | null }[]>`
      SELECT count(*) FILTER (WHERE state <> 'completed')::int AS open, min(state) FILTER (WHERE state = 'stalled') AS bad
        FROM lethe.erasure WHERE id = ANY(${ids as string[]}::uuid[])`;
    if (row?.open === 0) return;
    if (row?.bad) throw new Error('an erasure has stalled');
    if (performance.now() > end) throw new Error(`not completed within ${limitMs} ms: ${row?.open} of ${ids.length}`);
    await pause(ids.length > 1 ? 50 : 5);
  }
}

/** Seconds from the plan of a location to its last chunk. */
export async function stageSeconds(sql: Sql, erasureId: string, location: string): Promise<number> {
  const [row] = await sql<{ seconds: number }[]>`
    SELECT extract(epoch FROM finished_at - started_at)::float8 AS seconds FROM lethe.task
     WHERE erasure_id = ${erasureId} AND location = ${location}`;
  return row?.seconds ?? Number.NaN;
}
