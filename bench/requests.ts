import { setTimeout as pause } from 'node:timers/promises';
import autocannon from 'autocannon';
import type { PostgresServer } from '../src/dev/postgres.ts';
import { startBare } from './bare.ts';
import { accountsLike, withSql } from './database.ts';
import { withDeployment } from './deployed.ts';
import type { Deployment } from './lethe.ts';
import { type Latency, latencyOf, median } from './statistics.ts';

/** Medians in ms of erasing an account of 500 posts: inside a request, and as the bare transaction. */
export async function measureImmediate(
  server: PostgresServer,
  template: string,
  pairs: number,
): Promise<{ requestMs: number; bareMs: number }> {
  return withDeployment(server, template, 1, {}, async ({ url, lethe }) =>
    withSql(url, async (sql) => {
      const accounts = await accountsLike(sql, 'tiny-');
      const requests: number[] = [];
      const bare: number[] = [];
      for (let i = 0; i < pairs; i++) {
        const [first, second] = accounts.slice(2 * i, 2 * i + 2) as [string, string];
        let started = performance.now();
        const response = await lethe.call('POST', `/v1/accounts/${first}/erasure`, {});
        await response.text();
        if (response.status !== 200) throw new Error(`an account of 500 posts was answered ${response.status}`);
        requests.push(performance.now() - started);
        started = performance.now();
        await sql.begin(async (tx) => {
          for (const table of ['sessions', 'posts', 'feeds'])
            await tx`DELETE FROM ${tx(table)} WHERE account_id = ${second}`;
          await tx`DELETE FROM accounts WHERE id = ${second}`;
        });
        bare.push(performance.now() - started);
      }
      // The first requests meet a process that has just started.
      const settled = Math.floor(pairs / 5);
      return { requestMs: median(requests.slice(settled)), bareMs: median(bare.slice(settled)) };
    }),
  );
}

/** Requests a second of a status read, and of a bare route that selects one row by its key. */
export async function measureStatusReads(
  server: PostgresServer,
  template: string,
  seconds: number,
): Promise<{ status: number; bare: number }> {
  return withDeployment(server, template, 0, {}, async ({ sql, url, lethe }) => {
    const [account] = (await accountsLike(sql, 'small-')) as [string];
    const response = await lethe.call('POST', `/v1/accounts/${account}/erasure`, {});
    const { id, statusUrl } = (await response.json()) as { id: string; statusUrl: string };
    const bare = await startBare(url, account);
    const rate = async (address: string) => {
      const done = await autocannon({ url: address, connections: 16, duration: seconds });
      if (done.non2xx > 0 || done.errors > 0)
        throw new Error(`${address}: ${done.non2xx} refused, ${done.errors} failed`);
      return done.requests.average;
    };
    try {
      const address = `${lethe.base}/v1/erasures/${id}${new URL(statusUrl).search}`;
      await autocannon({ url: address, connections: 16, duration: 1 });
      return { status: await rate(address), bare: await rate(bare.address) };
    } finally {
      await bare.stop();
    }
  });
}

export type Accepted = Latency & { refused: number };

/**
 * Asks for erasures at a fixed rate, whether or not the last was answered; latency of the accepted from the moment
 * they were due. What was refused (503, the API's own deadline) is counted, and asked for again one by one.
 */
export async function askAtRate(lethe: Deployment, accounts: readonly string[], perSecond: number): Promise<Accepted> {
  const latencies: number[] = [];
  const refused: string[] = [];
  const asked: Promise<void>[] = [];
  const begun = performance.now();
  for (const [n, account] of accounts.entries()) {
    const due = begun + (1000 * n) / perSecond;
    if (performance.now() < due) await pause(due - performance.now());
    asked.push(
      lethe.call('POST', `/v1/accounts/${account}/erasure`, {}).then(async (response) => {
        await response.text();
        if (response.status === 202) latencies.push(performance.now() - due);
        else refused.push(account);
      }),
    );
  }
  await Promise.all(asked);
  for (const account of refused) await ask(lethe, account);
  return { ...latencyOf(latencies), refused: refused.length };
}

/** Asks for one erasure that waits for the sweep. */
async function ask(lethe: Deployment, account: string): Promise<void> {
  const response = await lethe.call('POST', `/v1/accounts/${account}/erasure`, {});
  await response.text();
  if (response.status !== 202) throw new Error(`POST: ${response.status}`);
}

/** Asks for erasures that wait for the sweep, four at a time. */
export async function askForAll(lethe: Deployment, accounts: readonly string[]): Promise<void> {
  let next = 0;
  const asking = async () => {
    for (let n = next++; n < accounts.length; n = next++) await ask(lethe, accounts[n] as string);
  };
  await Promise.all([asking(), asking(), asking(), asking()]);
}
