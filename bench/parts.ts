import type { PostgresServer } from '../dev/postgres.ts';
import { measureBeside, measureCrowd } from './crowd.ts';
import { createTemplate, withSql } from './database.ts';
import { measureIdleWorker, measureQueueCost } from './idle.ts';
import { measureCalls, measureHanging, measureRecovery, measureThree } from './partner-calls.ts';
import { crowdAccounts, type Plan, victim } from './plan.ts';
import { measurePublishing, measureReplay } from './publishing.ts';
import { measureImmediate, measureStatusReads } from './requests.ts';
import type { Extras } from './result.ts';

/** Measures a part where the plan has its name. `what`: in words, for whoever looks on. */
export type Part = (name: string, what: string, work: () => Promise<void>) => Promise<void>;

/** What is measured of Lethe beside the contenders. */
export async function measureExtras(server: PostgresServer, plan: Plan, part: Part): Promise<Extras> {
  const posts = plan.sizes.at(-1) as number;
  const extras: Extras = {};
  await part('immediate', 'small accounts inside the request', async () => {
    const runs: NonNullable<Extras['immediate']>[] = [];
    // From one run to the next the ratio differs by a tenth, and one takes seconds: the one in the middle of several.
    for (let n = 0; n < Math.max(3, plan.repeats); n++) runs.push(await measureImmediate(server, 'base', 200));
    runs.sort((a, b) => a.requestMs / a.bareMs - b.requestMs / b.bareMs);
    extras.immediate = runs[Math.floor(runs.length / 2)] as (typeof runs)[number];
  });
  await part('status', 'status reads', async () => {
    extras.statusReads = await measureStatusReads(server, 'base', Math.min(5, plan.idleSeconds));
  });
  await part('idle', 'an idle worker, and the queue alone', async () => {
    extras.idleWorker = await measureIdleWorker(server, 'base', plan.idleSeconds);
    extras.queueMsPerChunk = await measureQueueCost(20);
  });
  // Without a larger one: below 50,000 posts it would end before the small account is asked for.
  if (!plan.large && posts >= 50_000)
    await part('beside', 'a small account beside a large one', async () => {
      extras.beside = { ...(await measureBeside(server, 'base', victim(posts))), largePosts: posts };
    });
  await part('crowd', `${plan.crowd.toLocaleString('en-US')} accounts of 2,000 posts`, async () => {
    await createTemplate(server, 'crowd', crowdAccounts(plan));
    const { workerPid: _, ...crowd } = await measureCrowd(server, 'crowd');
    extras.crowd = crowd;
    await withSql(server.url(), (sql) => sql.unsafe('DROP DATABASE crowd'));
  });
  return extras;
}

/** What is measured of calls and events to partners. */
export async function measurePartners(
  server: PostgresServer,
  plan: Plan,
  part: Part,
): Promise<NonNullable<Extras['partners']>> {
  const partners: NonNullable<Extras['partners']> = {};
  const rounds = Math.max(3, plan.repeats);
  await part('calls', 'calls to a partner, and the bare loop', async () => {
    partners.calls = await measureCalls(server, rounds);
  });
  await part('hanging', 'a partner beside one that hangs', async () => {
    partners.hanging = await measureHanging(server, rounds);
  });
  await part('recovery', 'a partner that comes back', async () => {
    partners.recovery = await measureRecovery(server);
  });
  await part('publishing', 'events to a stream, and bare pipelined XADD', async () => {
    partners.publishing = await measurePublishing(server, rounds);
  });
  await part('replay', 'a million events again', async () => {
    partners.replay = await measureReplay(server);
  });
  await part('three', 'erasures through three partners', async () => {
    partners.three = await measureThree(server);
  });
  return partners;
}
