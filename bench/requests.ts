import { setTimeout as pause } from 'node:timers/promises';
import autocannon from 'autocannon';
import type { PostgresServer } from '../dev/postgres.ts';
import { eraseBare, startBare } from './bare.ts';
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
        if (response.status !== 200) throw new Error(`an account of 500 posts was answered ${response.status}`);
        requests.push(performance.now() - started);
        started = performance.now();
        await eraseBare(sql, second);
        bare.push(performance.now() - started);
      }
      // The first hundred requests meet a process that has just started, and code that is not compiled yet.
      const settled = Math.floor(pairs / 2);
      return { requestMs: median(requests.slice(settled)), bareMs: median(bare.slice(settled)) };
    }),
  );
}

const CLIENTS = 16;

/**
 * Status reads a second by 16 clients: of one erasure, and of one each. Beside them requests a second of a bare route
 * that selects one row by its key.
 */
export async function measureStatusReads(
  server: PostgresServer,
  template: string,
  seconds: number,
): Promise<{ status: number; spread: number; bare: number }> {
  return withDeployment(server, template, 0, {}, async ({ sql, url, lethe }) => {
    const accounts = await accountsLike(sql, 'small-');
    const paths: string[] = [];
    for (const account of accounts.slice(0, CLIENTS)) {
      const response = await lethe.call('POST', `/v1/accounts/${account}/erasure`, {});
      const { id, statusUrl } = JSON.parse(response.text) as { id: string; statusUrl: string };
      paths.push(`/v1/erasures/${id}${new URL(statusUrl).search}`);
    }
    const bare = await startBare(url, accounts[0] as string);
    const rate = async (base: string, of: readonly string[], duration: number) => {
      let client = 0;
      const setupClient = (c: autocannon.Client) =>
        c.setRequests([{ method: 'GET', path: of[client++ % of.length] as string }]);
      const done = await autocannon({ url: base, connections: CLIENTS, duration, setupClient });
      if (done.non2xx > 0 || done.errors > 0) throw new Error(`${base}: ${done.non2xx} refused, ${done.errors} failed`);
      return done.requests.average;
    };
    try {
      await rate(lethe.base, paths, 1);
      const { origin, pathname } = new URL(bare.address);
      return {
        status: await rate(lethe.base, paths.slice(0, 1), seconds),
        spread: await rate(lethe.base, paths, seconds),
        bare: await rate(origin, [pathname], seconds),
      };
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
