import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Sql } from 'postgres';
import { expect } from 'vitest';
import { countRows, readLedger } from '../../dev/evidence.ts';

export { countRows as rowsOf, readLedger as ledger };

export const TABLES = ['sessions', 'posts', 'feeds'] as const;

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
  expect(await countRows(sql, account)).toEqual({ sessions: 0, posts: 0, feeds: 0, accounts: 0 });
  expect(await readLedger(sql, erasureId)).toEqual(before);
  const states = await sql<{ type: string }[]>`
    SELECT type FROM lethe.event WHERE erasure_id = ${erasureId} AND type ~ '^erasure' ORDER BY id`;
  expect(states[0]?.type).toBe('erasure.requested');
  expect(states.at(-1)?.type).toBe('erasure.completed');
  const [open] =
    await sql`SELECT count(*)::int AS n FROM lethe.task WHERE erasure_id = ${erasureId} AND state <> 'done'`;
  expect(open?.n).toBe(0);
}
