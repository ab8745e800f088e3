import { execFileSync } from 'node:child_process';
import { cpus, totalmem } from 'node:os';
import type { PostgresServer } from '../dev/postgres.ts';
import { judge } from './bars.ts';
import { CONTENDERS, type Contender } from './contenders.ts';
import { measureBeside } from './crowd.ts';
import { createTemplate, startServer, withSql } from './database.ts';
import { measure, measureIdle, type Run } from './measure.ts';
import { measureExtras, measurePartners, type Part } from './parts.ts';
import {
  LARGE,
  largeAccounts,
  mainAccounts,
  needsBase,
  PARTNER_PARTS,
  type Plan,
  partnersAccounts,
  victim,
  WATCHING_PARTS,
} from './plan.ts';
import type { Result, Row } from './result.ts';
import { latencyOf, median, spread } from './statistics.ts';
import { measureWatching } from './watching.ts';

export type Say = (line: string) => void;

/** Runs the whole plan on servers of its own, which are gone afterwards. */
export async function run(plan: Plan, contenders: readonly Contender[], say: Say): Promise<Result> {
  const server = await startServer();
  try {
    const idle: number[] = [];
    const runs = new Map<string, Run[]>();
    if (needsBase(plan)) {
      say(`loading ${plan.bystanders.toLocaleString('en-US')} posts of bystanders and the victims`);
      await createTemplate(server, 'base', mainAccounts(plan));
    }
    for (let repeat = 0; repeat < plan.repeats && !plan.partsAlone; repeat++) {
      idle.push(...(await measureIdle(server, 'base', plan.idleSeconds * 1000)));
      for (const posts of plan.sizes) await round(server, 'base', posts, contenders, runs, say);
    }
    const failed: string[] = [];
    // What fails is said, and the rest is measured: half an hour of figures must not be lost.
    const attempt = async (what: string, work: () => Promise<void>) => {
      say(what);
      await work().catch((error: Error) => {
        failed.push(`${what}: ${error.message}`);
        say(`FAILED ${what}: ${error.message}`);
      });
    };
    const part: Part = async (name, what, work) => {
      if (plan.parts.includes(name)) await attempt(what, work);
    };
    const extras = await measureExtras(server, plan, part);
    if ([...PARTNER_PARTS, ...WATCHING_PARTS].some((name) => plan.parts.includes(name)))
      await createTemplate(server, 'partners', partnersAccounts());
    extras.partners = await measurePartners(server, plan, part);
    extras.watching = await measureWatching(server, part, say);
    if (plan.large && !plan.partsAlone)
      await attempt('10 million posts', async () => {
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
