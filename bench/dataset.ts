import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { peakMemory } from '../dev/evidence.ts';
import type { PostgresServer } from '../dev/postgres.ts';
import { start } from '../dev/process.ts';
import { sweepUp } from '../dev/reaper.ts';
import { copyDatabase, withSql } from './database.ts';

/** A day on which so many accounts were erased, and what it took to write it. Memory in MiB, of the whole process. */
export type DatasetRun = { rows: number; seconds: number; memory: number };

/** Long over, and within the ledger's retention. */
const AGO = 3;

/**
 * Writes erasures that ended on one day, with keys and digests of the usual length. Indexes that a build does not use are
 * dropped first: ten million rows would take as long as everything else.
 */
async function fill(url: string, rows: number): Promise<string> {
  return withSql(url, async (sql) => {
    const indexes = await sql<{ name: string }[]>`
      SELECT c.relname AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
       WHERE i.indrelid IN ('lethe.erasure'::regclass, 'lethe.event'::regclass)
         AND NOT i.indisprimary AND c.relname <> 'event_erased'`;
    for (const { name } of indexes) await sql.unsafe(`DROP INDEX lethe.${name}`);
    await sql`SET session_replication_role = replica`;
    await sql`SET synchronous_commit = off`;
    const [row] = await sql<{ day: string }[]>`
      SELECT to_char((now() AT TIME ZONE 'UTC') - ${AGO}::int * interval '1 day', 'YYYY-MM-DD') AS day`;
    const day = row?.day as string;
    await sql`
      INSERT INTO lethe.erasure (id, account_key, account_digest, state, mode, requested_at, starts_at, started_at, completed_at, due_at, catalog_digest)
      SELECT lpad(to_hex(n), 32, '0')::uuid, (10000000 + n)::text, md5(n::text) || md5((-n)::text), 'completed', 'scheduled',
             at - interval '1 hour', at, at, at, at + interval '30 days', ''
        FROM generate_series(1, ${rows}::int) n, LATERAL (SELECT (${day} || ' UTC')::timestamptz + (n * 86399.0 / ${rows}::int) * interval '1 second' AS at) t`;
    await sql`
      INSERT INTO lethe.event (erasure_id, type, data, at)
      SELECT id, 'account.erased', '{"catalog": "", "locations": ["sessions", "posts", "feeds", "accounts"]}'::jsonb, completed_at
        FROM lethe.erasure ORDER BY id`;
    await sql`VACUUM ANALYZE lethe.erasure`;
    await sql`VACUUM ANALYZE lethe.event`;
    await sql`CHECKPOINT`;
    return day;
  });
}

/** Runs the command that writes a day, and watches its memory until it ends. */
async function build(url: string, day: string, folder: string): Promise<Omit<DatasetRun, 'rows'>> {
  mkdirSync(join(folder, 'dataset'));
  const catalog = join(folder, 'catalog.yaml');
  writeFileSync(
    catalog,
    `${readFileSync('catalog.yaml', 'utf8')}dataset: { owner: bench, folder: ${JSON.stringify(join(folder, 'dataset'))} }\n`,
  );
  const env = {
    PATH: process.env.PATH,
    DATABASE_URL: url,
    LETHE_CATALOG: catalog,
    LETHE_SECRET: 'a secret that nothing but the benchmark uses',
    REDIS_URL: 'redis://127.0.0.1:1',
  };
  const begun = performance.now();
  const running = start(process.execPath, ['dist/cli/lethe.js', 'dataset', 'build', '--date', day], { env });
  let memory = 0;
  const watch = setInterval(() => {
    memory = Math.max(memory, peakMemory(running.pid) ?? 0);
  }, 50);
  const code = await running.exited;
  clearInterval(watch);
  const seconds = (performance.now() - begun) / 1000;
  if (code !== 0) throw new Error(`lethe dataset build: ${code}\n${running.output().slice(-2000)}`);
  return { seconds, memory };
}

/** A day of each of these sizes, written to a folder: Parquet and lines. */
export async function measureDataset(server: PostgresServer, sizes: readonly number[]): Promise<DatasetRun[]> {
  const runs: DatasetRun[] = [];
  for (const rows of sizes) {
    const folder = mkdtempSync(join(tmpdir(), 'lethe-bench-'));
    sweepUp(folder);
    const url = await copyDatabase(server, 'partners', 'run');
    try {
      const day = await fill(url, rows);
      runs.push({ rows, ...(await build(url, day, folder)) });
    } finally {
      rmSync(folder, { recursive: true, force: true });
      await withSql(server.url(), (admin) => admin.unsafe('DROP DATABASE IF EXISTS run WITH (FORCE)'));
    }
  }
  return runs;
}
