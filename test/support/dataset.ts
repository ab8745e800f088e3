import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import type { Sql } from 'postgres';
import { v7 as uuidv7 } from 'uuid';
import type { Manifest } from '../../src/dataset/manifest.ts';

/** An erasure that has come to its end. `at`: of its event. `locations`: null is an event of an older version. */
export type Erased = { key: string | null; at: string; locations?: readonly string[] | null; digest?: string | null };

/** Records erasures as the last transaction does. */
export async function recordErased(sql: Sql, erased: readonly Erased[]): Promise<string[]> {
  const ids: string[] = [];
  for (const { key, at, locations = ['public.posts', 'public.users'], digest = 'd'.repeat(64) } of erased) {
    const id = uuidv7();
    ids.push(id);
    await sql`INSERT INTO lethe.erasure (id, account_key, account_digest, state, mode, requested_at, starts_at, due_at,
                completed_at, catalog_digest)
      VALUES (${id}, ${key}, ${digest}, 'completed', 'immediate', ${at}::timestamptz - interval '1 hour 0.000123 seconds',
              ${at}, ${at}, ${at}, 'c')`;
    const data = locations === null ? { catalog: 'c' } : { catalog: 'c', locations };
    await sql`INSERT INTO lethe.event (erasure_id, type, data, at)
      VALUES (${id}, 'account.erased', ${sql.json(data as never)}, ${at})`;
  }
  return ids;
}

/** Many of them in one day, evenly over it. */
export async function recordMany(sql: Sql, day: string, rows: number): Promise<void> {
  await sql`
    WITH made AS (
      INSERT INTO lethe.erasure (id, account_key, account_digest, state, mode, requested_at, starts_at, due_at,
                                 completed_at, catalog_digest)
      SELECT gen_random_uuid(), 'many-' || n, encode(sha256(n::text::bytea), 'hex'), 'completed', 'immediate',
             at, at, at, at, 'c'
        FROM (SELECT n, ${day}::timestamptz + n * interval '86399 seconds' / ${rows}::int AS at
                FROM generate_series(1, ${rows}::int) AS n) AS each
      RETURNING id, requested_at)
    INSERT INTO lethe.event (erasure_id, type, data, at)
    SELECT id, 'account.erased', '{"locations": ["public.posts", "search", "public.users"]}', requested_at FROM made`;
}

/** The folder of a dataset, as a test looks at it. */
export function datasetFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'lethe-dataset-test-'));
  const of = (day: string) => join(folder, `dt=${day}`);
  return {
    folder,
    of,
    names: (day: string): string[] => readdirSync(of(day)).sort(),
    manifest: (day: string): Manifest => JSON.parse(readFileSync(join(of(day), 'manifest.json'), 'utf8')) as Manifest,
    lines: (day: string): Record<string, unknown>[] => {
      const { files } = JSON.parse(readFileSync(join(of(day), 'manifest.json'), 'utf8')) as Manifest;
      return files
        .filter(({ format }) => format === 'ndjson')
        .flatMap(({ name }) =>
          readFileSync(join(of(day), name), 'utf8')
            .trimEnd()
            .split('\n'),
        )
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    },
    /** Checksums of all that is there, by name. */
    checksums: (day: string): Record<string, string> =>
      Object.fromEntries(
        readdirSync(of(day))
          .sort()
          .map((name) => [
            name,
            createHash('sha256')
              .update(readFileSync(join(of(day), name)))
              .digest('hex'),
          ]),
      ),
  };
}

/** Runs statements of DuckDB, which reads the files as a warehouse does. Returns the rows of the last one. */
export async function duckdb(...statements: string[]): Promise<Record<string, unknown>[]> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
  const connection = await instance.connect();
  try {
    await connection.run("SET TimeZone = 'UTC'");
    let rows: Record<string, unknown>[] = [];
    for (const statement of statements)
      rows = (await connection.runAndReadAll(statement)).getRowObjectsJson() as Record<string, unknown>[];
    return rows;
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}
