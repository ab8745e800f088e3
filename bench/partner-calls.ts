import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Sql } from 'postgres';
import { Agent } from 'undici';
import type { PostgresServer } from '../dev/postgres.ts';
import { buildMessage, MESSAGE_TYPE } from '../src/partners/message.ts';
import { signMessage } from '../src/partners/sign.ts';
import { accountsLike } from './database.ts';
import { withDeployment } from './deployed.ts';
import { waitForCompletion } from './lethe.ts';
import { type BenchPartner, CONCURRENCY, insertWaiting, SECRET, startPartner, withPartners } from './partners.ts';
import { median } from './statistics.ts';

const LIMIT_MS = 10 * 60_000;
const CALLS = 3_000;

/** Signed messages a second that `undici.request` gets through by itself, `CONCURRENCY` at once. */
async function measureBare(url: string, calls: number): Promise<number> {
  const agent = new Agent({ connections: CONCURRENCY, pipelining: 1 });
  const { origin, pathname } = new URL(url);
  const asking = { publicUrl: 'http://bench.test', tokenOf: () => 'token' };
  let left = calls;
  const loop = async () => {
    while (left-- > 0) {
      const id = randomUUID();
      const said = {
        id,
        erasureId: id,
        location: 'bench',
        account: { id: '1' },
        requestedAt: new Date(),
        values: {},
        keys: null,
      };
      const body = JSON.stringify(buildMessage(said, asking));
      const headers = { 'content-type': MESSAGE_TYPE, ...signMessage(SECRET, { id, at: new Date(), body }) };
      const answer = await agent.request({ origin, path: pathname, method: 'POST', headers, body });
      if (answer.statusCode !== 204) throw new Error(`the partner answered ${answer.statusCode}`);
      await answer.body.dump();
    }
  };
  const begun = performance.now();
  await Promise.all(Array.from({ length: CONCURRENCY }, loop));
  const seconds = (performance.now() - begun) / 1000;
  await agent.close();
  return calls / seconds;
}

async function untilSettled(sql: Sql, partner: string): Promise<void> {
  const end = performance.now() + LIMIT_MS;
  for (;;) {
    const [row] = await sql<{ open: number }[]>`
      SELECT count(*)::int AS open FROM lethe.call WHERE partner = ${partner} AND settled_at IS NULL`;
    if (row?.open === 0) return;
    if (performance.now() > end) throw new Error(`${row?.open} calls of ${partner} are not settled`);
    await pause(50);
  }
}

/** Calls a second of one partner, from its first request to the commit of its last answer. */
async function rateOf(sql: Sql, partner: string): Promise<number> {
  const [row] = await sql<{ calls: number; seconds: number; counted: number }[]>`
    SELECT count(*)::int AS calls, extract(epoch FROM max(settled_at) - min(asked_at))::float8 AS seconds,
           (SELECT sum(rows_deleted)::int FROM lethe.chunk k JOIN lethe.task t ON t.id = k.task_id WHERE t.location = ${partner}) AS counted
      FROM lethe.call WHERE partner = ${partner} AND settled_at IS NOT NULL`;
  const { calls, seconds, counted } = row as { calls: number; seconds: number; counted: number };
  if (counted !== calls) throw new Error(`the ledger has ${counted} of ${calls} calls`);
  return calls / seconds;
}

/** Ten erasures whose partner is asked `calls` times in all, by one worker. */
async function measureOurs(server: PostgresServer, partner: BenchPartner, calls: number): Promise<number> {
  return withDeployment(server, 'partners', 0, withPartners({ quick: partner }), async ({ sql, lethe }) => {
    await insertWaiting(sql, 'quick', 10, calls / 10);
    await lethe.addWorker({});
    await untilSettled(sql, 'quick');
    return rateOf(sql, 'quick');
  });
}

/** Calls a second: of the bare loop and of Lethe with its ledger committed, interleaved; medians. */
export async function measureCalls(
  server: PostgresServer,
  rounds: number,
): Promise<{ callsPerSecond: number; barePerSecond: number }> {
  const partner = await startPartner();
  try {
    const [bare, ours]: [number[], number[]] = [[], []];
    await measureBare(partner.url, 1_000);
    for (let n = 0; n < rounds; n++) {
      bare.push(await measureBare(partner.url, CALLS));
      ours.push(await measureOurs(server, partner, CALLS));
    }
    return { callsPerSecond: median(ours), barePerSecond: median(bare) };
  } finally {
    await partner.stop();
  }
}

/** Calls a second of a partner that answers, alone and beside one that hangs: interleaved; medians. */
export async function measureHanging(
  server: PostgresServer,
  rounds: number,
): Promise<{ alonePerSecond: number; besidePerSecond: number }> {
  const [quick, stuck] = [await startPartner(), await startPartner()];
  await stuck.be('hangs');
  try {
    const [alone, beside]: [number[], number[]] = [[], []];
    for (let n = 0; n < rounds; n++)
      for (const [rates, waiting] of [
        [alone, 0],
        [beside, 500],
      ] as const) {
        const env = withPartners({ quick, stuck: { ...stuck, timeout: '1s' } });
        await withDeployment(server, 'partners', 0, env, async ({ sql, lethe }) => {
          await insertWaiting(sql, 'quick', 10, CALLS / 10);
          if (waiting > 0) await insertWaiting(sql, 'stuck', waiting, 1);
          await lethe.addWorker({});
          await untilSettled(sql, 'quick');
          rates.push(await rateOf(sql, 'quick'));
        });
      }
    return { alonePerSecond: median(alone), besidePerSecond: median(beside) };
  } finally {
    await Promise.all([quick.stop(), stuck.stop()]);
  }
}

/** Tasks that wait for a partner which is away; the partner takes so many calls a second. */
const WAITING = { tasks: 1_000, perSecond: 50 };

/** Seconds from a partner's recovery until all tasks that waited for it are done. */
export async function measureRecovery(
  server: PostgresServer,
): Promise<{ tasks: number; perSecond: number; seconds: number }> {
  const partner = await startPartner();
  try {
    const { tasks, perSecond } = WAITING;
    await partner.be('away');
    const env = withPartners({ back: { ...partner, rate: `${perSecond}/s` } });
    return await withDeployment(server, 'partners', 0, env, async ({ sql, lethe }) => {
      await insertWaiting(sql, 'back', tasks, 1);
      await lethe.addWorker({});
      await untilOpen(sql, 'back');
      const begun = performance.now();
      await partner.be('answers');
      await untilDone(sql, 'back');
      return { tasks, perSecond, seconds: (performance.now() - begun) / 1000 };
    });
  } finally {
    await partner.stop();
  }
}

/** Waits until the circuit is open and its first probe has failed, as after some time without the partner. */
async function untilOpen(sql: Sql, partner: string): Promise<void> {
  const end = performance.now() + LIMIT_MS;
  for (;;) {
    const rows =
      await sql`SELECT FROM lethe.partner WHERE name = ${partner} AND opened_at < now() - interval '20 seconds'`;
    if (rows.length > 0) return;
    if (performance.now() > end) throw new Error('the circuit does not open');
    await pause(100);
  }
}

async function untilDone(sql: Sql, location: string): Promise<void> {
  const end = performance.now() + LIMIT_MS;
  for (;;) {
    const [row] = await sql<{ open: number }[]>`
      SELECT count(*)::int AS open FROM lethe.task WHERE location = ${location} AND state <> 'done'`;
    if (row?.open === 0) return;
    if (performance.now() > end) throw new Error(`${row?.open} tasks are not done`);
    await pause(50);
  }
}

/** Erasures a second of small accounts whose data is also at three partners that answer at once, by one worker. */
export async function measureThree(server: PostgresServer): Promise<{ erasures: number; perSecond: number }> {
  const partners = await Promise.all([startPartner(), startPartner(), startPartner()]);
  try {
    const named = Object.fromEntries(partners.map((partner, n) => [`partner-${n}`, partner]));
    return await withDeployment(server, 'partners', 1, withPartners(named), async ({ sql, lethe }) => {
      const accounts = (await accountsLike(sql, 'tiny-')).slice(0, 300);
      let next = 0;
      const ids: string[] = [];
      const asking = async () => {
        for (let n = next++; n < accounts.length; n = next++) {
          const answer = await lethe.call('POST', `/v1/accounts/${accounts[n]}/erasure`, {});
          if (!answer.ok) throw new Error(`POST: ${answer.status}`);
          ids.push((JSON.parse(answer.text) as { id: string }).id);
        }
      };
      const begun = performance.now();
      await Promise.all([asking(), asking(), asking(), asking()]);
      await waitForCompletion(sql, ids, LIMIT_MS);
      return { erasures: ids.length, perSecond: ids.length / ((performance.now() - begun) / 1000) };
    });
  } finally {
    await Promise.all(partners.map((partner) => partner.stop()));
  }
}
