import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
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
import { manProcesses } from './processes.ts';
import { Relay } from './relay.ts';
import type { Schedule } from './schedule.ts';
import type { Missing, Servers } from './servers.ts';
import { openWatched, settlePast } from './watched.ts';

/** The sample's catalog without its own section of owners: a run may bring another. */
const withoutOwners = (catalog: string): string => catalog.replace(/^owners:.*\n(?: +- .*\n)*/m, '');

/** A run's servers, processes and accounts. */
export type Stage = Scene & {
  bystanders: readonly string[];
  outbox: string;
  redisPrefix: string;
  /** Where the logs of its processes are. */
  folder: string;
  violations: string[];
  kills: () => number;
  close: () => Promise<void>;
};

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
      ? await openPartners({
          accounts: everybody,
          redisUrl: redis.url,
          redisPrefix,
          canaries: schedule.watched !== null,
          violated,
        })
      : undefined;
    if (partners) closing.push(() => partners.close());
    const watched = schedule.watched
      ? await openWatched({ folder, bucket: schedule.watched === 'bucket', violated })
      : undefined;
    if (watched) closing.push(() => watched.close());
    if (watched) await settlePast(sql);
    const catalog = join(folder, 'catalog.yaml');
    writeFileSync(
      catalog,
      `${withoutOwners(readFileSync(resolve('catalog.yaml'), 'utf8'))}${partners?.entries ?? ''}${watched?.sections ?? ''}`,
    );
    const key = secret();
    let secrets = secret();
    const port = await freePort();
    const env = {
      PATH: process.env.PATH,
      NODE_ENV: 'production',
      HOST: '127.0.0.1',
      PORT: String(port),
      LETHE_CATALOG: catalog,
      LETHE_SECRET: secrets,
      LETHE_PUBLIC_URL: `http://127.0.0.1:${port}`,
      LETHE_API_KEYS: [
        `harness=admin=${createHash('sha256').update(key).digest('hex')}`,
        ...(watched ? [watched.apiKey] : []),
      ].join(','),
      LETHE_MAIL: 'outbox',
      LETHE_MAIL_OUTBOX: join(folder, 'outbox'),
      LETHE_RATE_LIMIT: '0',
      LETHE_SHUTDOWN_TIMEOUT: '5s',
      LETHE_RECONCILE_INTERVAL: '1s',
      ...partners?.env,
      ...watched?.env,
      ...schedule.options,
    };
    const processes = await manProcesses(schedule, {
      env,
      folder,
      closing,
      nextVersion: () => servers.next(),
      metrics: watched !== undefined,
      postgres: { port: () => pooler?.port ?? cluster.port(), at },
      redisUrl: redis.url,
    });
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
      watched,
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
