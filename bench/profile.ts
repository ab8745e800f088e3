/** Where the time of a deletion goes: the server's own account of each statement, and what it could do at best. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Sql } from 'postgres';
import type { PostgresServer } from '../dev/postgres.ts';
import { measureBareErasers } from './bare-eraser.ts';
import { createTemplate, startServer } from './database.ts';
import { drawFlame, sample } from './flame.ts';
import { boundsOf, createCrowd, measureCrowdFloor, measureFloors, onCopy, POSTS } from './floors.ts';
import { compareSmall, profileOwn } from './own-share.ts';
import { mainAccounts, planOf } from './plan.ts';

type Say = (line: string) => void;

/** Prints each statement's plan with its buffers and write-ahead log, and the floors; writes flame graphs into `folder`. */
export async function profile(folder: string | undefined, say: Say): Promise<void> {
  const server = await startServer();
  try {
    say('loading');
    const plan = planOf({ quick: false, large: false, posts: POSTS });
    await createTemplate(server, 'base', mainAccounts(plan));
    await explainAll(server);
    for (let repeat = 0; repeat < 3; repeat++) await measureFloors(server);
    await measureBareErasers(server);
    await createCrowd(server);
    await measureCrowdFloor(server);
    await compareSmall(server, 'base');
    await profileOwn(server, folder);
    if (folder !== undefined) await flames(server, folder, say);
  } finally {
    await server.destroy();
  }
}

const explain = async (sql: Sql, what: string, statement: string) => {
  const rows = await sql.unsafe(`EXPLAIN (ANALYZE, BUFFERS, WAL) ${statement}`);
  console.log(`\n## ${what}\n\n\`\`\`\n${statement}\n\n${rows.map((row) => Object.values(row)[0]).join('\n')}\n\`\`\``);
};

async function explainAll(server: PostgresServer): Promise<void> {
  await onCopy(server, 1, (sql, account) =>
    explain(sql, 'The account, with all that cascades', `DELETE FROM accounts WHERE id = ${account}`),
  );
  await onCopy(server, 1, (sql, account) =>
    explain(sql, 'All posts in one statement', `DELETE FROM posts WHERE account_id = ${account}`),
  );
  await onCopy(server, 1, async (sql, account) => {
    const bounds = await boundsOf(sql, account);
    const range = (n: number) =>
      `DELETE FROM posts WHERE account_id = ${account} AND id > ${bounds[n - 1]} AND id <= ${bounds[n]}`;
    await explain(sql, "One slice, left to the planner: the table's own key", range(1));
    await sql`SET enable_indexscan = off`;
    await explain(sql, 'One slice, read by page', range(2));
    for (let n = 3; n < bounds.length; n++) await sql.unsafe(range(n));
    await sql.unsafe(`DELETE FROM posts WHERE account_id = ${account}`);
    await sql`RESET enable_indexscan`;
    await sql`SET enable_seqscan = off`;
    await sql`SET enable_bitmapscan = off`;
    await explain(
      sql,
      'Thirty feeds whose posts are gone: each look passes over the dead entries of its posts',
      `DELETE FROM feeds WHERE id IN (SELECT id FROM feeds WHERE account_id = ${account} ORDER BY id LIMIT 30)`,
    );
  });
}

async function flames(server: PostgresServer, folder: string, say: Say): Promise<void> {
  mkdirSync(folder, { recursive: true });
  await onCopy(server, 1, async (sql, account) => {
    const [session] = await sql<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`;
    const pid = session?.pid as number;
    const record = async (name: string, title: string, work: () => Promise<unknown>) => {
      const stacks = await sample(pid, work);
      if (stacks) writeFileSync(join(folder, `${name}.svg`), drawFlame(title, stacks));
      else say(`no flame graph of ${name}: perf is missing or refused`);
    };
    await record(
      'flame-posts',
      'DELETE FROM posts WHERE account_id = …, one million rows',
      () => sql`DELETE FROM posts WHERE account_id = ${account}`,
    );
    await record(
      'flame-feeds',
      'DELETE FROM feeds WHERE account_id = …, 300 feeds whose posts are gone',
      () => sql`DELETE FROM feeds WHERE account_id = ${account}`,
    );
  });
}
