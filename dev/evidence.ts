import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Sql } from 'postgres';

export type Rows = { sessions: number; posts: number; feeds: number; accounts: number };

/** Rows of an account per table of the reader, its own row included. */
export async function countRows(sql: Sql, account: string): Promise<Rows> {
  const [row] = await sql<Rows[]>`SELECT
    (SELECT count(*)::int FROM sessions WHERE account_id = ${account}) AS sessions,
    (SELECT count(*)::int FROM posts WHERE account_id = ${account}) AS posts,
    (SELECT count(*)::int FROM feeds WHERE account_id = ${account}) AS feeds,
    (SELECT count(*)::int FROM accounts WHERE id = ${account}) AS accounts`;
  return { ...(row as Rows) };
}

/** Rows that the ledger says were deleted, per location. */
export async function readLedger(sql: Sql, erasureId: string): Promise<Record<string, number>> {
  const rows = await sql<{ location: string; n: number }[]>`
    SELECT t.location, coalesce(sum(c.rows_deleted), 0)::int AS n
      FROM lethe.task t LEFT JOIN lethe.chunk c ON c.task_id = t.id WHERE t.erasure_id = ${erasureId} GROUP BY 1`;
  return Object.fromEntries(rows.map((row) => [row.location, row.n]));
}

/** A checksum over all rows of every account but those named. */
export async function checksumOthers(sql: Sql, accounts: string[]): Promise<string> {
  const sums = ['sessions', 'posts', 'feeds'].map(
    (table) => sql`SELECT count(*) || ':' || coalesce(sum(hashtextextended(t::text, 0)), 0) AS sum
      FROM ${sql(table)} t WHERE account_id <> ALL(${accounts}::bigint[])`,
  );
  return (await Promise.all(sums)).map(([row]) => row?.sum).join(' ');
}

export type Mail = { to: string; subject: string; text: string };

/** The mails in the outbox. */
export function readMails(outbox: string): Mail[] {
  let files: string[] = [];
  try {
    files = readdirSync(outbox);
  } catch {
    // The folder appears with the first mail.
  }
  return files
    .filter((f) => f.endsWith('.json'))
    .sort()
    .map((f) => JSON.parse(readFileSync(join(outbox, f), 'utf8')) as Mail);
}

/** Peak resident memory of a process in MiB, or null where the system does not tell. */
export function peakMemory(pid: number): number | null {
  try {
    const [, kb] = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return kb ? Math.round(Number(kb) / 1024) : null;
  } catch {
    return null;
  }
}
