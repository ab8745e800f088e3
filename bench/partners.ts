import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Sql } from 'postgres';
import { sweepUp } from '../dev/reaper.ts';
import type { Said, Told } from './partner-process.ts';

/** Calls under way at once: of the bare loop, and of each partner. */
export const CONCURRENCY = 16;
export const SECRET = `whsec_${Buffer.alloc(32, 3).toString('base64')}`;

export type BenchPartner = {
  url: string;
  /** Where test data is planted and looked for. */
  canary: string;
  /** Changes how it answers, and says what it was asked until then. */
  be: (mode: Told['mode']) => Promise<Omit<Said, 'port'>>;
  stop: () => Promise<void>;
};

/** Starts a partner in a process of its own. */
export async function startPartner(): Promise<BenchPartner> {
  const child: ChildProcess = fork(fileURLToPath(new URL('partner-process.ts', import.meta.url)), [], {
    execArgv: ['--import', 'tsx'],
  });
  const heard = async () => ((await once(child, 'message')) as [Said])[0];
  const { port } = await heard();
  return {
    url: `http://127.0.0.1:${port}/erasures`,
    canary: `http://127.0.0.1:${port}/canary`,
    be: async (mode) => {
      child.send({ mode } satisfies Told);
      return heard();
    },
    stop: async () => {
      const ended = once(child, 'exit');
      child.kill();
      await ended;
    },
  };
}

/** The environment of processes whose catalog has these partners. `rate`: calls a second, such as `50/s`. */
export function withPartners(
  partners: Readonly<Record<string, { url: string; rate?: string; timeout?: string }>>,
): Record<string, string> {
  const folder = mkdtempSync(join(tmpdir(), 'lethe-bench-'));
  sweepUp(folder);
  const entries = Object.entries(partners).map(([name, { url, rate, timeout = '5s' }]) => {
    const pacing = `timeout: ${timeout}, concurrency: ${CONCURRENCY}${rate ? `, rate: ${rate}` : ''}`;
    return `  - { partner: ${name}, owner: bench, sla: 72h, http: { url: "${url}", secret: "env:BENCH_SECRET", ${pacing} } }\n`;
  });
  const catalog = join(folder, 'catalog.yaml');
  writeFileSync(catalog, `${readFileSync('catalog.yaml', 'utf8')}${entries.join('')}`);
  return { LETHE_CATALOG: catalog, BENCH_SECRET: SECRET, LETHE_PRIVATE_HOSTS: '127.0.0.1', LETHE_PACE: 'full' };
}

/**
 * Writes erasures whose account is gone and whose partner is to be asked, `calls` each, as their plan writes them. The keys
 * are those of nobody.
 */
export async function insertWaiting(
  sql: Sql,
  partner: string,
  erasures: number,
  calls: number,
  kind = 'http',
): Promise<void> {
  await sql.begin(async (tx) => {
    await tx`INSERT INTO lethe.partner (name) VALUES (${partner}) ON CONFLICT DO NOTHING`;
    await tx`
      WITH e AS (
        INSERT INTO lethe.erasure (id, account_key, account_digest, state, mode, starts_at, started_at, due_at, catalog_digest)
        SELECT gen_random_uuid(), ${`${partner}-`} || n, '', 'awaiting', 'scheduled', now(), now(), now() + interval '30 days',
               (SELECT digest FROM lethe.catalog ORDER BY first_used_at DESC LIMIT 1)
          FROM generate_series(1, ${erasures}::int) n
        RETURNING id),
      t AS (
        INSERT INTO lethe.task (erasure_id, location, kind, action, owner, stage, state, due_at, rows_planned, started_at)
        SELECT id, ${partner}, ${kind}::text, 'delete', 'bench', 0, 'awaiting', now() + interval '3 days', ${calls}::int, now() FROM e
        RETURNING id, erasure_id),
      k AS (
        INSERT INTO lethe.chunk (task_id, pass, number, rows_planned) SELECT id, 1, 1, ${calls}::int FROM t)
      INSERT INTO lethe.call (id, erasure_id, task_id, partner, pass, state, items, next_at)
      SELECT gen_random_uuid(), t.erasure_id, t.id, ${partner}, 1, 'open', 1, now() FROM t, generate_series(1, ${calls}::int)`;
  });
}
