import { execFileSync } from 'node:child_process';
import { cpus, totalmem } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import postgres, { type Sql } from 'postgres';
import { checksumOthers } from '../../dev/evidence.ts';
import { startPostgres } from '../../dev/postgres.ts';
import { createReader, populate } from '../../dev/reader.ts';
import { startRedis } from '../../dev/redis.ts';
import { migrate } from '../../src/store/migrate.ts';
import { startAsking } from './ask.ts';
import { deploy } from './deploy.ts';
import { startFaults } from './faults.ts';
import { startObserving } from './observe.ts';
import { type Result, trendsOf } from './report.ts';
import { settle, verify } from './verify.ts';

export type Say = (line: string) => void;

const DATABASE = 'soak';
const ASK_MS = 2_000;
const SETTLE_MS = 180_000;
const BYSTANDERS = Array.from({ length: 20 }, (_, i) => ({
  email: `bystander-${i}@example.com`,
  posts: 500,
  feeds: 5,
}));

/** Runs the soak for so many minutes on servers of its own, which are gone afterwards. */
export async function run(minutes: number, say: Say): Promise<Result> {
  const length = minutes * 60_000;
  // Frequent enough for a line through a short run, and no burden to a long one.
  const observeMs = Math.min(10_000, Math.max(1_000, length / 240));
  const faultMs = Math.min(10_000, Math.max(2_000, length / 60));
  const warmUp = length / 3_000;
  // What was built, not what the files are when the run ends.
  const commit = execFileSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8' }).trim();
  const server = await startPostgres({
    shared_buffers: '256MB',
    max_wal_size: '2GB',
    // So that dead rows come and go several times in a run.
    autovacuum_naptime: '10s',
  });
  const redis = await startRedis();
  try {
    const sql = await createDatabase(server.url(), server.url(DATABASE));
    const bystanders = await checksumOthers(sql, []);
    const lethe = await deploy(server.url(DATABASE), redis.url);
    const under = { sql, redis, lethe };
    say(`${minutes} minutes: a request every ${ASK_MS / 1000} s, a fault every ${(faultMs / 1000).toFixed(0)} s`);
    const observing = startObserving(under, observeMs);
    const asking = startAsking(sql, lethe, ASK_MS);
    const faults = startFaults(under, faultMs, performance.now() + length / 2);
    await follow(length, say, () => `${asking.asked.length} accepted, ${faults.caused.length} faults`);
    await faults.stop();
    await observing.stop();
    await asking.stop();
    say('waiting until everything is done');
    await settle(sql, SETTLE_MS);
    const wrong = await verify(sql, asking.asked, lethe.outbox);
    if ((await checksumOthers(sql, [])) !== bystanders) wrong.push('an account that nobody asked for was touched');
    const lives = Object.fromEntries(lethe.processes.map((one) => [one.name, one.lives()]));
    await lethe.stop();
    const machine = await machineOf(sql);
    await sql.end({ timeout: 5 });
    const { trends, growing } = trendsOf(observing.samples, warmUp);
    return {
      commit,
      machine,
      minutes,
      warmUp,
      erasures: asking.asked.length,
      rows: asking.asked.reduce((sum, { rows }) => sum + Object.values(rows).reduce((a, b) => a + b, 0), 0),
      repeats: asking.repeats(),
      lives,
      faults: countBy(faults.caused.map((fault) => fault.name)),
      trends,
      failures: [...growing, ...asking.refused, ...wrong, ...lethe.crashes],
      caused: faults.caused,
      samples: observing.samples,
    };
  } finally {
    await Promise.all([server.destroy(), redis.destroy()]);
  }
}

async function createDatabase(adminUrl: string, url: string): Promise<Sql> {
  const admin = postgres(adminUrl, { max: 1, onnotice: () => {} });
  await admin.unsafe(`CREATE DATABASE ${DATABASE}`);
  await admin.end();
  const sql = postgres(url, { max: 4, onnotice: () => {}, connection: { application_name: 'soak' } });
  await createReader(sql);
  await populate(sql, BYSTANDERS);
  await migrate(url);
  return sql;
}

/** Lets the time pass, and says once a minute how far it is. */
async function follow(length: number, say: Say, how: () => string): Promise<void> {
  const end = performance.now() + length;
  for (let minute = 1; performance.now() < end; minute++) {
    await pause(Math.min(60_000, end - performance.now()));
    if (performance.now() < end) say(`minute ${minute}: ${how()}`);
  }
}

const countBy = (names: readonly string[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
};

async function machineOf(sql: Sql): Promise<Record<string, string | number>> {
  const [row] = await sql<{ version: string }[]>`SELECT current_setting('server_version') AS version`;
  return {
    cores: cpus().length,
    'memory GiB': Math.round(totalmem() / 2 ** 30),
    Node: process.versions.node,
    PostgreSQL: row?.version.split(' ')[0] ?? '',
  };
}
