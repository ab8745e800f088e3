/**
 * The least that erasing a small account inside a request can take: a bare Hono route whose statements stay prepared
 * and are written by hand. `deletes`: the bare transaction, behind HTTP. `evidence`: it also counts first, so that a
 * large account is told from a small one, and writes the erasure, its tasks, ledger and events. That takes four round
 * trips and a commit. It asks for no credential, proves nothing, sends no mail and cannot be told twice.
 */

import { fork } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import postgres, { type PendingQuery, type Row, type TransactionSql } from 'postgres';

export const LEAST = ['deletes', 'evidence'] as const;

export type Least = {
  erase: (way: (typeof LEAST)[number], account: string) => Promise<void>;
  stop: () => Promise<void>;
};

/** Starts it as a process. */
export async function startLeast(url: string): Promise<Least> {
  const child = fork(fileURLToPath(import.meta.url), [url], { execArgv: ['--import', 'tsx'] });
  const [port] = (await once(child, 'message')) as [number];
  return {
    erase: async (way, account) => {
      const response = await fetch(`http://127.0.0.1:${port}/${way}/${account}`, { method: 'POST' });
      await response.text();
      if (!response.ok) throw new Error(`${way}: ${response.status}`);
    },
    stop: async () => {
      child.kill();
      await once(child, 'exit');
    },
  };
}

type Query = PendingQuery<Row[]>;
/** Sends them one behind the other and waits for the last. */
const together = (...queries: Query[]) => Promise.all(queries.map((query) => query.execute()));

const deletes = (tx: TransactionSql, account: string): Query[] => [
  tx`DELETE FROM sessions WHERE account_id = ${account}`,
  tx`DELETE FROM posts WHERE account_id = ${account}`,
  tx`DELETE FROM feeds WHERE account_id = ${account}`,
  tx`DELETE FROM accounts WHERE id = ${account}`,
];

/** What `evidence` does, in a transaction of the caller's. */
export async function eraseWithEvidence(tx: TransactionSql, account: string): Promise<void> {
  const count = (table: string) =>
    tx`(SELECT count(*) FROM (SELECT FROM ${tx(table)} WHERE account_id = ${account} LIMIT 5000) AS counted)`;
  const [found] = await together(
    tx`SELECT email FROM accounts WHERE id = ${account} FOR UPDATE`,
    tx`SELECT ${count('posts')}, ${count('feeds')}, ${count('sessions')}`,
  );
  const id = randomUUID();
  const digest = createHash('sha256').update(account).digest('hex');
  const happened = (type: string) => tx`INSERT INTO lethe.event (erasure_id, type) VALUES (${id}, ${type})`;
  const [, , , ...gone] = await together(
    tx`INSERT INTO lethe.erasure (id, account_key, account_digest, email, state, mode, starts_at, due_at, catalog_digest, requested_by)
       VALUES (${id}, ${account}, ${digest}, ${found?.[0]?.email}, 'running', 'immediate', now(), now() + interval '30 days', 'bench', 'bench')`,
    tx`INSERT INTO lethe.task (erasure_id, location, kind, action, owner, stage, due_at)
       SELECT ${id}, location, 'table', 'delete', 'bench', 0, now() FROM unnest('{sessions,posts,feeds,accounts}'::text[]) AS location`,
    happened('erasure.requested'),
    ...deletes(tx, account),
  );
  const counts = gone.map((result) => String(result.count)).join();
  await together(
    tx`INSERT INTO lethe.chunk (task_id, pass, number, rows_planned, rows_deleted, finished_at)
       SELECT t.id, 0, 0, gone.rows, gone.rows, now() FROM lethe.task t
         JOIN unnest('{sessions,posts,feeds,accounts}'::text[], string_to_array(${counts}, ',')::bigint[]) AS gone (location, rows)
           ON gone.location = t.location WHERE t.erasure_id = ${id}`,
    tx`UPDATE lethe.task SET state = 'done', finished_at = now() WHERE erasure_id = ${id}`,
    tx`UPDATE lethe.erasure SET state = 'completed', completed_at = now() WHERE id = ${id}`,
    happened('erasure.completed'),
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const sql = postgres(process.argv[2] as string, { max: 20, onnotice: () => {} });
  const app = new Hono();
  app.post('/deletes/:account', async (c) => {
    await sql.begin(async (tx) => {
      for (const statement of deletes(tx, c.req.param('account'))) await statement;
    });
    return c.json({});
  });
  app.post('/evidence/:account', async (c) => {
    await sql.begin((tx) => eraseWithEvidence(tx, c.req.param('account')));
    return c.json({});
  });
  serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) => process.send?.(port));
  process.on('disconnect', () => process.exit(1));
}
