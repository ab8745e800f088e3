import { setTimeout as pause } from 'node:timers/promises';
import type { Sql } from 'postgres';
import { readMails } from '../../dev/evidence.ts';
import {
  type Cycle,
  cyclesOver,
  type Erased,
  gaugesWithoutCanaries,
  noMailTo,
  partitionExact,
  toldOnce,
} from './checks-watching.ts';
import { letTimePass } from './erasures.ts';
import type { Stage } from './scene.ts';
import { endDay, isCanary, letPatiencePass, type Watched } from './watched.ts';

/** From the last fault until test data that met it is over, as long as an erasure may take. */
const CYCLE_MS = 90_000;
/** A duty looks every few seconds, and another process takes it over after a while. */
const DUTY_MS = 45_000;

/** Looks at what watches a run, once every account of a user is erased. Empty when all is well. */
export async function watchedInOrder(stage: Stage, watched: Watched): Promise<string[]> {
  const { sql } = stage;
  const problems = await untilGone(CYCLE_MS, () => liveCycles(sql));
  problems.push(...(await untilGone(DUTY_MS, async () => gaugesWithoutCanaries(await metricsOf(stage)))));
  problems.push(...(await oneMoreCycle(stage)));
  problems.push(...cyclesOver(await cyclesOf(sql)), ...(await canariesGone(sql)));
  problems.push(...noMailTo(readMails(stage.outbox), isCanary));
  problems.push(...(await untilGone(DUTY_MS, () => ownersTold(sql, watched))));
  await endDay(sql);
  problems.push(...(await untilGone(DUTY_MS, () => datasetExact(sql, watched))));
  return [...new Set(problems)];
}

/** Looks until nothing is wrong, and returns what still is when the time is up. */
async function untilGone(ms: number, look: () => Promise<string[]>): Promise<string[]> {
  for (const end = Date.now() + ms; ; await pause(300)) {
    const problems = await look().catch((error: Error) => [error.message]);
    if (problems.length === 0 || Date.now() > end) return problems;
  }
}

const cyclesOf = (sql: Sql) => sql<Cycle[]>`SELECT id, state, findings FROM lethe.canary ORDER BY created_at DESC`;

async function liveCycles(sql: Sql): Promise<string[]> {
  await letTimePass(sql);
  await sql`UPDATE lethe.canary SET next_at = now() WHERE next_at > now() + interval '1 second'`;
  const live = await sql<Cycle[]>`SELECT id, state FROM lethe.canary WHERE finished_at IS NULL`;
  return live.map(({ id, state }) => `the test data ${id} is still ${state}`);
}

/** What every process says of itself and of the cluster. */
async function metricsOf({ processes }: Stage): Promise<string> {
  const texts = processes.map(async ({ metricsPort }) =>
    metricsPort === undefined ? '' : (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text(),
  );
  return (await Promise.all(texts)).join('\n');
}

/** Lets test data be planted once more, now that nothing is in its way; nobody but it is being erased meanwhile. */
async function oneMoreCycle(stage: Stage): Promise<string[]> {
  const { sql } = stage;
  const counted = new Set<string>();
  const [before] = await sql<{ n: number }[]>`
    WITH u AS (UPDATE lethe.canary SET created_at = created_at - interval '1 day' RETURNING id) SELECT count(*)::int AS n FROM u`;
  const left = await untilGone(CYCLE_MS, async () => {
    for (const problem of gaugesWithoutCanaries(await metricsOf(stage).catch(() => ''))) counted.add(problem);
    const [now] = await sql<{ n: number }[]>`SELECT count(*)::int AS n FROM lethe.canary WHERE finished_at IS NOT NULL`;
    await letTimePass(sql);
    return (now?.n ?? 0) > (before?.n ?? 0) ? [] : ['no test data was planted and erased after the faults'];
  });
  return [...left, ...counted];
}

/** Nothing of test data is left that was erased, and its erasures are marked. */
async function canariesGone(sql: Sql): Promise<string[]> {
  const unmarked = await sql<{ id: string }[]>`
    SELECT e.id FROM lethe.canary c JOIN lethe.erasure e ON e.id = c.erasure_id WHERE NOT e.canary`;
  const left = await sql<{ n: number }[]>`SELECT 1 AS n FROM accounts WHERE email LIKE '%@canary.test'`;
  return [
    ...unmarked.map(({ id }) => `the erasure ${id} of test data is not marked`),
    ...(left.length > 0 ? [`${left.length} accounts of test data are left`] : []),
  ];
}

async function ownersTold(sql: Sql, { receiver }: Watched): Promise<string[]> {
  const owners = await sql<{ name: string; state: string }[]>`SELECT name, state FROM lethe.owner`;
  await letPatiencePass(sql);
  const bad = owners
    .filter(({ state }) => state !== 'well')
    .map(({ name, state }) => `the owner ${name} is still ${state}`);
  return [...bad, ...toldOnce(receiver.deliveries, Object.fromEntries(owners.map((o) => [o.name, o.state])))];
}

/** Each day that is over, beside its events. */
async function datasetExact(sql: Sql, { dataset }: Watched): Promise<string[]> {
  const rows = await sql<(Erased & { day: string })[]>`
    SELECT to_char(v.at AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day, e.account_key AS key, e.account_digest AS digest,
           e.requested_at::text AS requested_at, v.at::text AS erased_at, v.data->'locations' AS locations, 'erased' AS outcome
      FROM lethe.event v JOIN lethe.erasure e ON e.id = v.erasure_id
     WHERE v.type = 'account.erased' AND v.at < date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'`;
  const days = new Map<string, Erased[]>();
  for (const { day, ...erased } of rows) days.set(day, [...(days.get(day) ?? []), erased]);
  return [...days].flatMap(([day, expected]) => partitionExact(day, dataset.read(day), expected));
}
