import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { readMails } from '../../dev/evidence.ts';
import { readTally } from './application.ts';
import {
  type Before,
  bystandersUnchanged,
  type Happening,
  ledgerExact,
  legalHistory,
  lookBefore,
  nothingHeld,
  nothingLeft,
  nothingTaken,
  oneMailEach,
} from './checks.ts';
import { nothingInLogs, nothingInRedis, othersKept, partnersDone } from './checks-partners.ts';
import { redisInOrder } from './checks-redis.ts';
import { ask, erasuresOf, untilCompleted } from './erasures.ts';
import { faultOf } from './faults.ts';
import { THINGS } from './partners.ts';
import { type Played, play } from './play.ts';
import { type Stage, setStage } from './scene.ts';
import type { Schedule } from './schedule.ts';
import type { Missing, Servers } from './servers.ts';
import { letPatiencePass } from './watched.ts';
import { watchedInOrder } from './watched-in-order.ts';

export type Outcome = {
  seed: number;
  schedule: Schedule;
  violations: string[];
  faults: number;
  kills: number;
  notRun: string[];
  /** Where the processes' logs are; undefined when all is well. */
  logs: string | undefined;
};

/** From the last fault to the last mail: what met a fault may be a minute away from its next attempt. */
const COMPLETE_MS = 90_000;
/** Jobs that are superseded run and say so; sessions end what they have begun. */
const QUIET_MS = 30_000;

/** One run: the accounts are erased while the faults happen, and then everything is looked at. */
export async function run(schedule: Schedule, servers: Servers, missing: Missing): Promise<Outcome> {
  const { seed } = schedule;
  const folder = mkdtempSync(join(tmpdir(), `lethe-fault-${seed}-`));
  const kind = schedule.cluster === 'small' && missing.smallDisk ? 'single' : schedule.cluster;
  const outcome: Outcome = { seed, schedule, violations: [], faults: 0, kills: 0, notRun: [], logs: undefined };
  try {
    await servers.with(kind, async (cluster) => {
      const stage = await setStage(schedule, { servers, cluster, missing, folder });
      try {
        const played = await perform(stage, schedule, missing);
        outcome.faults = played.happened.length + (stage.pooler ? 1 : 0) + (schedule.nextVersion > 0 ? 1 : 0);
        outcome.notRun = played.notRun;
      } catch (error) {
        stage.violated((error as Error).stack ?? String(error));
      } finally {
        outcome.kills = stage.kills();
        outcome.violations = stage.violations;
        await stage.close();
      }
    });
  } catch (error) {
    outcome.violations.push(`the run could not be set up: ${(error as Error).stack}`);
  }
  if (schedule.pooled && missing.pooler) outcome.notRun.push(`pgbouncer (${missing.pooler})`);
  if (outcome.violations.length > 0) outcome.logs = folder;
  else rmSync(folder, { recursive: true, force: true });
  return outcome;
}

async function perform(stage: Stage, schedule: Schedule, missing: Missing): Promise<Played> {
  const { sql, people, bystanders } = stage;
  const before = await lookBefore(sql, [...people.victims, people.receiver], bystanders);
  const asking = Promise.all(people.victims.map((account, i) => ask(stage, account, schedule.victims[i] as never)));
  // Heard when it is waited for; until then a refusal must not end this process.
  asking.catch(() => {});
  const played = await impatiently(stage, () => play(stage, schedule, missing));
  await asking;
  const mayStall = played.happened.some((name) => faultOf(name).stalls);
  const open = await untilCompleted(stage, mayStall, COMPLETE_MS);
  for (const problem of open) stage.violated(problem);
  if (open.length === 0) await check(stage, before);
  return played;
}

/** While the faults happen, time passes for what waits for minutes before a team is told. */
async function impatiently<T>({ sql, watched }: Stage, work: () => Promise<T>): Promise<T> {
  if (!watched) return work();
  const passing = setInterval(() => void letPatiencePass(sql).catch(() => {}), 2_000);
  try {
    return await work();
  } finally {
    clearInterval(passing);
  }
}

/** Looks at everything: first what was done, then what is left of the work. */
async function check(stage: Stage, before: Before): Promise<void> {
  const { sql, people, bystanders, violated } = stage;
  const report = (problems: readonly string[]) => problems.forEach(violated);
  const tally = await readTally(sql);
  const erasures = await erasuresOf(sql, people.victims);
  const mails = readMails(stage.outbox);
  for (const [i, account] of people.victims.entries()) {
    const own = erasures.filter((e) => e.account === account);
    const [erasure] = own;
    if (!erasure || own.length > 1) violated(`account ${account} has ${own.length} erasures`);
    report(await nothingLeft(sql, account));
    if (!erasure) continue;
    const rows = before.rows.get(account);
    if (rows) report(await ledgerExact(sql, erasure.id, rows, tally.get(account)));
    const happened = await sql<Happening[]>`
      SELECT type, data FROM lethe.event WHERE erasure_id = ${erasure.id} ORDER BY id`;
    report(legalHistory(happened, erasure.state).map((problem) => `erasure ${erasure.id}: ${problem}`));
    report(oneMailEach(mails, `victim-${i}@example.com`, erasure.mode));
    if (stage.partners) report(await partnersDone(sql, erasure, stage.partners.holdings, THINGS));
  }
  report(await bystandersUnchanged(sql, bystanders, before));
  const receiver = before.rows.get(people.receiver);
  if (receiver) report(await nothingTaken(sql, people.receiver, receiver, tally.get(people.receiver)));
  if (stage.partners) {
    report(othersKept(stage.partners.holdings, [...bystanders, people.receiver], THINGS));
    const addresses = people.victims.map((_, i) => `victim-${i}@example.com`);
    report(await nothingInRedis(stage.redis.url, addresses));
    report(nothingInLogs(stage.folder, addresses));
  }
  if (stage.watched) report(await watchedInOrder(stage, stage.watched));
  report(await inTime(() => redisInOrder(stage.redis.url, stage.redisPrefix)));
  report(await inTime(() => nothingHeld(sql)));
  for (const process of stage.processes) report(process.ownEnds);
  await Promise.all(stage.processes.map((process) => process.untilReady(30_000)));
  const codes = await Promise.all(stage.processes.map((process) => process.end()));
  for (const [i, code] of codes.entries())
    if (code !== 0) violated(`${stage.processes[i]?.name} ended with ${code ?? 'a kill'} when it was asked to stop`);
  report(await inTime(() => nothingHeld(sql)));
}

/** Looks until nothing is wrong, and returns what still is when the time is up. */
async function inTime(look: () => Promise<string[]>): Promise<string[]> {
  const end = Date.now() + QUIET_MS;
  for (;;) {
    const problems = await look().catch((error: Error) => [error.message]);
    if (problems.length === 0 || Date.now() > end) return problems;
    await pause(200);
  }
}
