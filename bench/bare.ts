/**
 * What Lethe is compared with. A Hono route that selects one row by its key, as a process, and the transaction that
 * erases a small account.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import postgres, { type Sql } from 'postgres';

/** The transaction that an application would write for a small account. */
export async function eraseBare(sql: Sql, account: string): Promise<void> {
  await sql.begin(async (tx) => {
    for (const table of ['sessions', 'posts', 'feeds'])
      await tx`DELETE FROM ${tx(table)} WHERE account_id = ${account}`;
    await tx`DELETE FROM accounts WHERE id = ${account}`;
  });
}

/** Starts it; `address` answers with the account. */
export async function startBare(url: string, account: string): Promise<{ address: string; stop: () => Promise<void> }> {
  const child = fork(fileURLToPath(import.meta.url), [url], { execArgv: ['--import', 'tsx'] });
  const [port] = (await once(child, 'message')) as [number];
  return {
    address: `http://127.0.0.1:${port}/accounts/${account}`,
    stop: async () => {
      child.kill();
      await once(child, 'exit');
    },
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const sql = postgres(process.argv[2] as string, { max: 20, onnotice: () => {} });
  const app = new Hono();
  app.get('/accounts/:id', async (c) => {
    const [row] = await sql`SELECT id, email, created_at FROM accounts WHERE id = ${c.req.param('id')}`;
    return c.json(row ?? null);
  });
  serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) => process.send?.(port));
  process.on('disconnect', () => process.exit(1));
}
