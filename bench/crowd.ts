import { setTimeout as pause } from 'node:timers/promises';
import type { Sql } from 'postgres';
import type { PostgresServer } from '../dev/postgres.ts';
import { accountsLike } from './database.ts';
import { type Scene, withDeployment } from './deployed.ts';
import { ask, waitForCompletion } from './lethe.ts';
import { type Accepted, askAtRate, askForAll } from './requests.ts';

const LIMIT_MS = 30 * 60_000;

/**
 * Many accounts of 2,000 posts that are due at once, at full pace. Measures rows a second from the sweep that starts
 * them to the last one completed. Each gets its second mail; the first one has been sent. And the latency of the
 * accepting POSTs, 200 a second.
 */
export async function measureCrowd(
  server: PostgresServer,
  template: string,
  nodeOptions: readonly string[] = [],
): Promise<{ rowsPerSecond: number; seconds: number; accounts: number; accept: Accepted; workerPid: number }> {
  const work = async ({ sql, lethe }: Scene) => {
    const accounts = await accountsLike(sql, 'crowd-');
    // The first ones meet a process that has just started; five seconds at the rate are enough to see.
    const warm = Math.min(50, Math.floor(accounts.length / 4));
    await askForAll(lethe, accounts.slice(0, warm));
    const accept = await askAtRate(lethe, accounts.slice(warm, warm + 1000), 200);
    await askForAll(lethe, accounts.slice(warm + 1000));
    // Their first mails belong to the acceptance: the sweep comes up to an hour later, and finds them sent.
    await sql`UPDATE lethe.erasure SET starts_at = now() + interval '1 day'`;
    const ids = (await sql<{ id: string }[]>`SELECT id FROM lethe.erasure`).map((row) => row.id);
    await lethe.addWorker({ LETHE_SWEEP_CRON: '*/5 * * * * *' });
    await waitForMails(sql);
    await sql`UPDATE lethe.erasure SET starts_at = now()`;
    await waitForCompletion(sql, ids, LIMIT_MS);
    const [row] = await sql<{ seconds: number; rows: number }[]>`
      SELECT extract(epoch FROM max(completed_at) - min(started_at))::float8 AS seconds,
             (SELECT sum(rows_deleted)::float8 FROM lethe.chunk) AS rows FROM lethe.erasure`;
    const { seconds, rows } = row as { seconds: number; rows: number };
    const workerPid = lethe.workerPids()[0] as number;
    return { rowsPerSecond: rows / seconds, seconds, accounts: accounts.length, accept, workerPid };
  };
  return withDeployment(server, template, 0, { LETHE_PACE: 'full' }, work, nodeOptions);
}

async function waitForMails(sql: Sql): Promise<void> {
  const end = performance.now() + LIMIT_MS;
  for (;;) {
    const [row] = await sql<{ open: number }[]>`
      SELECT count(*)::int AS open FROM lethe.notification WHERE state = 'pending'`;
    if (row?.open === 0) return;
    if (performance.now() > end) throw new Error(`${row?.open} mails were not sent`);
    await pause(50);
  }
}

/** Seconds of an account of 2,000 posts alone, and asked for while a large one is being erased (default pace). */
export async function measureBeside(
  server: PostgresServer,
  template: string,
  large: string,
): Promise<{ aloneSeconds: number; besideSeconds: number }> {
  return withDeployment(server, template, 1, {}, async ({ sql, lethe }) => {
    const small = await accountsLike(sql, 'small-');
    const time = async (account: string) => {
      const started = performance.now();
      await waitForCompletion(sql, [await ask(lethe, account)], LIMIT_MS);
      return (performance.now() - started) / 1000;
    };
    // The first one meets a process that has just started.
    await time(small[0] as string);
    const aloneSeconds = await time(small[1] as string);
    const [account] = (await accountsLike(sql, `${large}@`)) as [string];
    const id = await ask(lethe, account);
    for (;;) {
      const [row] = await sql<{ n: number }[]>`
        SELECT count(*)::int AS n FROM lethe.chunk c JOIN lethe.task t ON t.id = c.task_id
         WHERE t.erasure_id = ${id} AND c.rows_deleted > 0`;
      if ((row?.n ?? 0) >= 3) break;
      await pause(5);
    }
    const besideSeconds = await time(small[2] as string);
    const [row] = await sql<{ state: string }[]>`SELECT state FROM lethe.erasure WHERE id = ${id}`;
    if (row?.state !== 'running') throw new Error('the large erasure ended before the small one: it shows nothing');
    return { aloneSeconds, besideSeconds };
  });
}
