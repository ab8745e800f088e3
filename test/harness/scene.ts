import { createHash, randomBytes } from 'node:crypto';
import { join, resolve } from 'node:path';
import postgres, { type Sql } from 'postgres';
import { freePort } from '../../dev/free-port.ts';
import { populate } from '../../dev/reader.ts';
import { startRedis } from '../../dev/redis.ts';
import { createTally } from './application.ts';
import type { Cluster } from './cluster.ts';
import type { Scene } from './fault.ts';
import { openPartners } from './partners.ts';
import { startPooler } from './pooler.ts';
import { Relay } from './relay.ts';
import type { Schedule } from './schedule.ts';
import type { Missing, Servers } from './servers.ts';
import { Supervised } from './supervised.ts';
import { Wire } from './wire.ts';

/** A run's servers, processes and accounts. */
export type Stage = Scene & {
  bystanders: readonly string[];
  outbox: string;
  redisPrefix: string;
  /** Where the logs of its processes are. */
  folder: string;
  /** Sends a request to the API with the key of an administrator. */
  call: (method: string, path: string, body?: object, headers?: Record<string, string>) => Promise<Response>;
  violations: string[];
  kills: () => number;
  close: () => Promise<void>;
};

const LETHE = resolve('dist/cli/lethe.js');
const secret = () => randomBytes(24).toString('base64url');
let runs = 0;

/** Builds what a schedule asks for, in `folder`, and waits until every process is ready. */
export async function setStage(
  schedule: Schedule,
  given: { servers: Servers; cluster: Cluster; missing: Missing; folder: string },
): Promise<Stage> {
  const { servers, cluster, folder } = given;
  const closing: (() => Promise<unknown>)[] = [];
  try {
    const database = `run_${process.pid}_${++runs}`;
    await cluster.createDatabase(database);
    closing.push(() => cluster.dropDatabase(database));
    // Where the primary is: it moves with a failover.
    const direct = await Relay.open(() => cluster.port());
    closing.push(() => direct.close());
    const at = (port: number) => cluster.url(database).replace(/:\d+\//, `:${port}/`);
    const open = (name: string, max: number) => {
      const sql = postgres(at(direct.port), { max, onnotice: () => {}, connection: { application_name: name } });
      closing.push(() => sql.end({ timeout: 2 }));
      return sql;
    };
    const sql = open('harness', 3);
    const application = open('application', 12);
    await createTally(sql);
    const people = await settle(sql, schedule);

    const redis = await startRedis();
    closing.push(() => redis.destroy());
    const pooler = schedule.pooled && !given.missing.pooler ? await startPooler(direct.port) : undefined;
    if (pooler) closing.push(() => pooler.close());
    const violations: string[] = [];
    const violated = (what: string) => void violations.push(what);
    const everybody = [...people.people.victims, people.people.receiver, ...people.bystanders];
    const redisPrefix = '{lethe}';
    const partners = schedule.partners
      ? await openPartners({ accounts: everybody, redisUrl: redis.url, redisPrefix, folder, violated })
      : undefined;
    if (partners) closing.push(() => partners.close());
    const key = secret();
    let secrets = secret();
    const port = await freePort();
    const env = {
      PATH: process.env.PATH,
      NODE_ENV: 'production',
      HOST: '127.0.0.1',
      PORT: String(port),
      LETHE_CATALOG: partners?.catalog ?? resolve('catalog.yaml'),
      LETHE_SECRET: secrets,
      LETHE_PUBLIC_URL: `http://127.0.0.1:${port}`,
      LETHE_API_KEYS: `harness=admin=${createHash('sha256').update(key).digest('hex')}`,
      LETHE_MAIL: 'outbox',
      LETHE_MAIL_OUTBOX: join(folder, 'outbox'),
      LETHE_RATE_LIMIT: '0',
      LETHE_SHUTDOWN_TIMEOUT: '5s',
      LETHE_RECONCILE_INTERVAL: '1s',
      ...partners?.env,
      ...schedule.options,
    };
    const processes: Supervised[] = [];
    for (let i = 0; i <= schedule.workers; i++) {
      const wire = await Wire.open(() => pooler?.port ?? cluster.port());
      const redisRelay = await Relay.open(() => Number(new URL(redis.url).port));
      closing.push(
        () => wire.relay.close(),
        () => redisRelay.close(),
      );
      processes.push(
        new Supervised({
          name: i === 0 ? 'api' : `worker-${i}`,
          role: i === 0 ? 'api' : 'worker',
          wire,
          redis: redisRelay,
          launch: { lethe: i > 0 && i <= schedule.nextVersion ? servers.next() : LETHE },
          env: { ...env, DATABASE_URL: at(wire.relay.port), REDIS_URL: `redis://127.0.0.1:${redisRelay.port}` },
          folder,
        }),
      );
    }
    closing.push(() => Promise.all(processes.map((p) => p.end())));
    for (const p of processes) p.start();
    await Promise.all(processes.map((p) => p.untilReady(60_000)));
    let kills = 0;
    return {
      processes,
      cluster,
      redis,
      pooler,
      partners,
      secrets: () => secrets,
      rotate: (to) => {
        secrets = to;
        for (const process of processes) process.change({ LETHE_SECRET: to });
      },
      sql,
      application,
      database,
      people: people.people,
      bystanders: people.bystanders,
      outbox: env.LETHE_MAIL_OUTBOX,
      redisPrefix,
      folder,
      killed: () => {
        kills += 1;
      },
      violated,
      violations,
      kills: () => kills,
      call: (method, path, body, headers = {}) =>
        fetch(`http://127.0.0.1:${port}${path}`, {
          method,
          headers: {
            Authorization: `Bearer ${key}`,
            ...(body ? { 'Content-Type': 'application/json' } : {}),
            ...headers,
          },
          ...(body ? { body: JSON.stringify(body) } : {}),
          signal: AbortSignal.timeout(10_000),
        }),
      close: () => closeAll(closing),
    };
  } catch (error) {
    await closeAll(closing);
    throw error;
  }
}

async function closeAll(closing: (() => Promise<unknown>)[]): Promise<void> {
  for (const close of closing.reverse()) await close().catch(() => {});
}

/** The accounts of a run, their posts interleaved. */
async function settle(sql: Sql, { victims, bystanders }: Schedule) {
  const ids = await populate(sql, [
    ...victims.map(({ posts, feeds }, i) => ({ email: `victim-${i}@example.com`, posts, feeds })),
    ...Array.from({ length: bystanders }, (_, i) => ({ email: `bystander-${i}@example.com`, posts: 400, feeds: 5 })),
    { email: 'receiver@example.com', posts: 100, feeds: 2 },
  ]);
  await sql`ANALYZE`;
  const receiver = ids.at(-1) as string;
  return {
    people: { victims: ids.slice(0, victims.length), receiver },
    bystanders: ids.slice(victims.length, -1),
  };
}
