/** What many small erasures cost besides their rows: the same by hand, and where our own processes' time goes. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PostgresServer } from '../dev/postgres.ts';
import { eraseBare } from './bare.ts';
import { measureCrowd } from './crowd.ts';
import { accountsLike, withSql } from './database.ts';
import { withDeployment } from './deployed.ts';
import { drawFlame } from './flame.ts';
import { LEAST, startLeast } from './least-request.ts';
import type { Deployment } from './lethe.ts';
import { foldProfile, profileOf, profiling, sharesOf } from './node-flame.ts';
import { median } from './statistics.ts';

async function eraseSmall(lethe: Deployment, account: string): Promise<void> {
  const response = await lethe.call('POST', `/v1/accounts/${account}/erasure`, {});
  if (response.status !== 200) throw new Error(`an account of 500 posts was answered ${response.status}`);
}

/** Prints medians of erasing an account of 500 posts: by Lethe, as the bare transaction, and by the least that a request can do; interleaved. */
export async function compareSmall(server: PostgresServer, template: string): Promise<void> {
  await withDeployment(server, template, 1, {}, async ({ url, lethe }) =>
    withSql(url, async (sql) => {
      const least = await startLeast(url);
      const accounts = await accountsLike(sql, 'tiny-');
      const ways: [string, (account: string) => Promise<unknown>][] = [
        ['the bare transaction', (account) => eraseBare(sql, account)],
        ...LEAST.map((way): [string, (account: string) => Promise<unknown>] => [
          `behind a bare route, ${way}`,
          (account) => least.erase(way, account),
        ]),
        ["Lethe's request", (account) => eraseSmall(lethe, account)],
      ];
      const took = ways.map((): number[] => []);
      for (let n = 0; n + ways.length <= accounts.length; n += ways.length)
        for (const [i, [, erase]] of ways.entries()) {
          const started = performance.now();
          await erase(accounts[n + i] as string);
          took[i]?.push(performance.now() - started);
        }
      await least.stop();
      // The first ones meet processes that have just started.
      const medians = took.map((all) => median(all.slice(Math.floor(all.length / 2))));
      const words = ways.map(
        ([name], i) =>
          `${name} ${medians[i]?.toFixed(1)} ms (${((medians[i] as number) / (medians[0] as number)).toFixed(2)})`,
      );
      console.log(`\n500 posts: ${words.join('; ')}`);
    }),
  );
}

/** The API while it erases accounts of 500 posts, and a worker while it erases accounts of 2,000: who takes their time. */
export async function profileOwn(server: PostgresServer, folder: string | undefined): Promise<void> {
  const written = mkdtempSync(join(tmpdir(), 'lethe-cpu-'));
  const report = (name: string, title: string, pid: number, lastMs: number, count: number) => {
    const stacks = foldProfile(profileOf(written, pid), lastMs);
    const ms = [...stacks.values()].reduce((a, b) => a + b, 0) / 1000 / count;
    const shares = sharesOf(stacks).slice(0, 10);
    const words = shares.map(([owner, share]) => `${owner} ${(100 * share).toFixed(0)} %`);
    console.log(`\n${title}: ${ms.toFixed(1)} ms of a processor each: ${words.join(', ')}`);
    if (folder === undefined) return;
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `${name}.svg`), drawFlame(title, stacks));
  };
  try {
    const small = await withDeployment(
      server,
      'base',
      0,
      {},
      async ({ sql, lethe }) => {
        const accounts = await accountsLike(sql, 'tiny-');
        const settled = Math.floor(accounts.length / 2);
        for (const account of accounts.slice(0, settled)) await eraseSmall(lethe, account);
        const from = performance.now();
        for (const account of accounts.slice(settled)) await eraseSmall(lethe, account);
        return { pid: lethe.apiPid, ms: performance.now() - from, count: accounts.length - settled };
      },
      profiling(written),
    );
    report('flame-request', 'The API: 500 posts inside the request', small.pid, small.ms, small.count);
    const { workerPid, seconds, accounts } = await measureCrowd(server, 'crowd', profiling(written));
    report('flame-crowd', 'A worker: accounts of 2,000 posts', workerPid, seconds * 1000, accounts);
  } finally {
    rmSync(written, { recursive: true, force: true });
  }
}
