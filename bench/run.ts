import { execFileSync } from 'node:child_process';
import { cpus, totalmem } from 'node:os';
import type { PostgresServer } from '../dev/postgres.ts';
import { judge } from './bars.ts';
import { CONTENDERS, type Contender } from './contenders.ts';
import { measureBeside, measureCrowd } from './crowd.ts';
import { createTemplate, startServer, withSql } from './database.ts';
import { measureIdleWorker, measureQueueCost } from './idle.ts';
import { measure, measureIdle, type Run } from './measure.ts';
import { measureCalls, measureHanging, measureRecovery, measureThree } from './partner-calls.ts';
import { crowdAccounts, LARGE, largeAccounts, mainAccounts, type Plan, partnersAccounts, victim } from './plan.ts';
import { measurePublishing, measureReplay } from './publishing.ts';
import { measureImmediate, measureStatusReads } from './requests.ts';
import type { Extras, Result, Row } from './result.ts';
import { latencyOf, median, spread } from './statistics.ts';

export type Say = (line: string) => void;

/** Runs the whole plan on servers of its own, which are gone afterwards. */
export async function run(plan: Plan, contenders: readonly Contender[], say: Say): Promise<Result> {
  const server = await startServer();
  try {
    const idle: number[] = [];
    const runs = new Map<string, Run[]>();
    if (plan.partners !== 'only') {
      say(`loading ${plan.bystanders.toLocaleString('en-US')} posts of bystanders and the victims`);
      await createTemplate(server, 'base', mainAccounts(plan));
    }
    for (let repeat = 0; repeat < plan.repeats && plan.partners !== 'only'; repeat++) {
      idle.push(...(await measureIdle(server, 'base', plan.idleSeconds * 1000)));
      for (const posts of plan.sizes) await round(server, 'base', posts, contenders, runs, say);
    }
    const failed: string[] = [];
    // What fails is said, and the rest is measured: half an hour of figures must not be lost.
    const part = async (name: string, work: () => Promise<void>) => {
      say(name);
      await work().catch((error: Error) => {
        failed.push(`${name}: ${error.message}`);
        say(`FAILED ${name}: ${error.message}`);
      });
    };
    const extras = plan.partners === 'only' ? {} : await measureExtras(server, plan, part);
    if (plan.partners !== 'not') extras.partners = await measurePartners(server, plan, part);
    if (plan.large && plan.partners !== 'only')
      await part('10 million posts', async () => {
        await createTemplate(server, 'large', largeAccounts(plan));
        await round(server, 'large', LARGE, contenders, runs, say);
        extras.beside = { ...(await measureBeside(server, 'large', victim(LARGE))), largePosts: LARGE };
      });
    const measured = {
      commit: execFileSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8' }).trim(),
      machine: await machineOf(server),
      idle: latencyOf(idle),
      contenders: [...runs].map(([key, all]) => summarize(key, all)),
      extras,
    };
    return { ...measured, bars: judge(measured), failed };
  } finally {
    await server.destroy();
  }
}

/** Each contender once: repeats are interleaved, so that a slow minute of the machine meets all of them. */
async function round(
  server: PostgresServer,
  template: string,
  posts: number,
  contenders: readonly Contender[],
  runs: Map<string, Run[]>,
  say: Say,
): Promise<void> {
  for (const contender of contenders) {
    const done = await measure(server, template, victim(posts), contender);
    const key = `${contender.name} ${posts}`;
    runs.set(key, [...(runs.get(key) ?? []), done]);
    say(`${contender.what}: ${posts.toLocaleString('en-US')} posts in ${done.seconds.toFixed(2)} s`);
  }
}

async function measureExtras(
  server: PostgresServer,
  plan: Plan,
  part: (name: string, work: () => Promise<void>) => Promise<void>,
): Promise<Extras> {
  const posts = plan.sizes.at(-1) as number;
  const extras: Extras = {};
  await part('small accounts inside the request', async () => {
    const runs: NonNullable<Extras['immediate']>[] = [];
    // From one run to the next the ratio differs by a tenth, and one takes seconds: the one in the middle of several.
    for (let n = 0; n < Math.max(3, plan.repeats); n++) runs.push(await measureImmediate(server, 'base', 200));
    runs.sort((a, b) => a.requestMs / a.bareMs - b.requestMs / b.bareMs);
    extras.immediate = runs[Math.floor(runs.length / 2)] as (typeof runs)[number];
  });
  await part('status reads', async () => {
    extras.statusReads = await measureStatusReads(server, 'base', Math.min(5, plan.idleSeconds));
  });
  await part('an idle worker, and the queue alone', async () => {
    extras.idleWorker = await measureIdleWorker(server, 'base', plan.idleSeconds);
    extras.queueMsPerChunk = await measureQueueCost(20);
  });
  // Without a larger one: below 50,000 posts it would end before the small account is asked for.
  if (!plan.large && posts >= 50_000)
    await part('a small account beside a large one', async () => {
      extras.beside = { ...(await measureBeside(server, 'base', victim(posts))), largePosts: posts };
    });
  await part(`${plan.crowd.toLocaleString('en-US')} accounts of 2,000 posts`, async () => {
    await createTemplate(server, 'crowd', crowdAccounts(plan));
    const { workerPid: _, ...crowd } = await measureCrowd(server, 'crowd');
    extras.crowd = crowd;
    await withSql(server.url(), (sql) => sql.unsafe('DROP DATABASE crowd'));
  });
  return extras;
}

async function measurePartners(
  server: PostgresServer,
  plan: Plan,
  part: (name: string, work: () => Promise<void>) => Promise<void>,
): Promise<NonNullable<Extras['partners']>> {
  const partners: NonNullable<Extras['partners']> = {};
  const rounds = Math.max(3, plan.repeats);
  await createTemplate(server, 'partners', partnersAccounts());
  await part('calls to a partner, and the bare loop', async () => {
    partners.calls = await measureCalls(server, rounds);
  });
  await part('a partner beside one that hangs', async () => {
    partners.hanging = await measureHanging(server, rounds);
  });
  await part('a partner that comes back', async () => {
    partners.recovery = await measureRecovery(server);
  });
  await part('events to a stream, and bare pipelined XADD', async () => {
    partners.publishing = await measurePublishing(server, rounds);
  });
  await part('a million events again', async () => {
    partners.replay = await measureReplay(server);
  });
  await part('erasures through three partners', async () => {
    partners.three = await measureThree(server);
  });
  return partners;
}

function summarize(key: string, runs: readonly Run[]): Row {
  const [name, posts] = key.split(' ') as [string, string];
  const { what, scope } = CONTENDERS.find((c) => c.name === name) as Contender;
  const seconds = spread(runs.map((r) => r.seconds));
  const rows = (runs[0] as Run).rows;
  const highest = (values: (number | null)[]) => {
    const known = values.filter((v) => v !== null);
    return known.length > 0 ? Math.max(...known) : null;
  };
  const staged = runs.flatMap((r) => (r.own.postsSeconds === undefined ? [] : [r.own.postsSeconds]));
  return {
    name,
    what,
    scope,
    posts: Number(posts),
    rows,
    seconds,
    rowsPerSecond: rows / seconds.median,
    microsecondsPerRow: (1e6 * seconds.median) / rows,
    latency: latencyOf(runs.flatMap((r) => r.latencies)),
    walMegabytes: median(runs.map((r) => r.walBytes)) / 1e6,
    workerMemory: highest(runs.map((r) => r.workerMemory)),
    redisMemory: highest(runs.map((r) => r.redisMemory)),
    postsSeconds: staged.length > 0 ? median(staged) : null,
  };
}

async function machineOf(server: PostgresServer): Promise<Record<string, string | number>> {
  const [row] = await withSql(
    server.url(),
    (sql) => sql<{ version: string }[]>`SELECT current_setting('server_version') AS version`,
  );
  return {
    cores: cpus().length,
    GiB: Math.round(totalmem() / 2 ** 30),
    node: process.versions.node,
    postgres: row?.version ?? '?',
  };
}
