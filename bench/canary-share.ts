import { setTimeout as pause } from 'node:timers/promises';
import type { Sql } from 'postgres';
import type { PostgresServer } from '../dev/postgres.ts';
import { accountsLike, createTemplate, withSql } from './database.ts';
import { withDeployment } from './deployed.ts';
import { waitForCompletion } from './lethe.ts';
import { SECRET, startPartner } from './partners.ts';
import { canaryKey, canarySection, withWatching } from './watching-catalog.ts';

/** Accounts of a quarter of a day, in which test data is planted once. */
const ACCOUNTS = 1_000;
const POSTS = 20;
const LIMIT_MS = 5 * 60_000;

const rowsOf = async (sql: Sql, which: 'canaries' | 'all'): Promise<number> => {
  const [row] = await sql<{ rows: number }[]>`
    SELECT coalesce(sum(c.rows_deleted), 0)::int AS rows
      FROM lethe.chunk c JOIN lethe.task t ON t.id = c.task_id JOIN lethe.erasure e ON e.id = t.erasure_id
     WHERE t.kind IN ('table', 'account') AND (e.canary OR ${which === 'all'})`;
  return row?.rows ?? 0;
};

async function untilPassed(sql: Sql): Promise<void> {
  const end = performance.now() + LIMIT_MS;
  for (;;) {
    const [row] = await sql<{ state: string; findings: unknown }[]>`SELECT state, findings FROM lethe.canary`;
    if (row?.state === 'passed') return;
    if (row?.state === 'failed') throw new Error(`the test data was not erased: ${JSON.stringify(row.findings)}`);
    if (performance.now() > end) throw new Error(`the test data is ${row?.state ?? 'not planted'}`);
    await pause(200);
  }
}

/** Rows and calls of one cycle of test data, beside small accounts of the application and one partner. */
export async function measureCanaryShare(server: PostgresServer) {
  const population = Array.from({ length: ACCOUNTS }, (_, n) => ({
    email: `small-${n}@example.com`,
    posts: POSTS,
    feeds: 2,
  }));
  await createTemplate(server, 'watched', population);
  const partner = await startPartner();
  const key = canaryKey();
  const entry = `  - { partner: search, owner: bench, sla: 72h, http: { url: "${partner.url}", canary: "${partner.canary}", secret: "env:BENCH_SECRET" } }\n`;
  const env = { ...withWatching({ entries: entry, sections: canarySection() }), BENCH_SECRET: SECRET, ...key.env };
  try {
    return await withDeployment(
      server,
      'watched',
      0,
      { ...env, LETHE_API_KEYS: key.listed },
      async ({ sql, lethe }) => {
        await lethe.addWorker({ LETHE_CANARY_URL: lethe.base });
        const ids: string[] = [];
        for (const account of await accountsLike(sql, 'small-')) {
          const answer = await lethe.call('POST', `/v1/accounts/${account}/erasure`, {});
          if (!answer.ok) throw new Error(`POST: ${answer.status}`);
          ids.push((JSON.parse(answer.text) as { id: string }).id);
        }
        await waitForCompletion(sql, ids, LIMIT_MS);
        await untilPassed(sql);
        const { requests, canaries } = await partner.be('answers');
        const [own] = await sql<{ calls: number }[]>`
        SELECT count(*)::int AS calls FROM lethe.call c JOIN lethe.erasure e ON e.id = c.erasure_id WHERE e.canary`;
        return {
          rows: await rowsOf(sql, 'canaries'),
          allRows: await rowsOf(sql, 'all'),
          calls: canaries + (own?.calls ?? 0),
          allCalls: requests,
          erasures: ids.length,
        };
      },
    );
  } finally {
    await partner.stop();
    await withSql(server.url(), (admin) => admin.unsafe('DROP DATABASE watched'));
  }
}
