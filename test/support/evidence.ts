import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Sql } from 'postgres';
import { expect } from 'vitest';

export const TABLES = ['sessions', 'posts', 'feeds'] as const;

/** Rows of an account per table of the reader, the account's own included. */
export async function rowsOf(sql: Sql, account: string): Promise<Record<string, number>> {
  const [row] = await sql<Record<string, number>[]>`SELECT
    (SELECT count(*)::int FROM sessions WHERE account_id = ${account}) AS sessions,
    (SELECT count(*)::int FROM posts WHERE account_id = ${account}) AS posts,
    (SELECT count(*)::int FROM feeds WHERE account_id = ${account}) AS feeds,
    (SELECT count(*)::int FROM accounts WHERE id = ${account}) AS accounts`;
  return { ...row };
}

/** A checksum over everything that an account owns: a bystander's must not change by a byte. */
export async function checksum(sql: Sql, account: string): Promise<string> {
  const parts = await Promise.all([
    sql`SELECT md5(coalesce(string_agg(t::text, E'\n' ORDER BY id), '')) AS sum FROM accounts t WHERE id = ${account}`,
    sql`SELECT md5(coalesce(string_agg(t::text, E'\n' ORDER BY id), '')) AS sum FROM sessions t WHERE account_id = ${account}`,
    sql`SELECT md5(coalesce(string_agg(t::text, E'\n' ORDER BY id), '')) AS sum FROM posts t WHERE account_id = ${account}`,
    sql`SELECT md5(coalesce(string_agg(t::text, E'\n' ORDER BY id), '')) AS sum FROM feeds t WHERE account_id = ${account}`,
  ]);
  return parts.map(([row]) => row?.sum).join('/');
}

/** Rows that the ledger says were deleted, per location. */
export async function ledger(sql: Sql, erasureId: string): Promise<Record<string, number>> {
  const rows = await sql<{ location: string; n: number }[]>`
    SELECT t.location, coalesce(sum(c.rows_deleted), 0)::int AS n
      FROM lethe.task t LEFT JOIN lethe.chunk c ON c.task_id = t.id WHERE t.erasure_id = ${erasureId} GROUP BY 1`;
  return Object.fromEntries(rows.map((row) => [row.location, row.n]));
}

/** Mails in the outbox, newest last. */
export async function mails(outbox: string): Promise<{ to: string; subject: string; text: string; html: string }[]> {
  const files = await readdir(outbox).catch(() => []);
  const json = files.filter((f) => f.endsWith('.json')).sort();
  return Promise.all(json.map(async (f) => JSON.parse(await readFile(join(outbox, f), 'utf8'))));
}

/** The three parts of a deletion test's end: nothing left, exact ledger, legal and complete event log. */
export async function expectErased(
  sql: Sql,
  account: string,
  erasureId: string,
  before: Record<string, number>,
): Promise<void> {
  expect(await rowsOf(sql, account)).toEqual({ sessions: 0, posts: 0, feeds: 0, accounts: 0 });
  expect(await ledger(sql, erasureId)).toEqual(before);
  const states = await sql<{ type: string }[]>`
    SELECT type FROM lethe.event WHERE erasure_id = ${erasureId} AND type ~ '^erasure' ORDER BY id`;
  expect(states[0]?.type).toBe('erasure.requested');
  expect(states.at(-1)?.type).toBe('erasure.completed');
  const [open] =
    await sql`SELECT count(*)::int AS n FROM lethe.task WHERE erasure_id = ${erasureId} AND state <> 'done'`;
  expect(open?.n).toBe(0);
}
