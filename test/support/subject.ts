import type { Sql } from 'postgres';
import { expect } from 'vitest';
import { populate } from '../../dev/reader.ts';
import { checksum, rowsOf } from './evidence.ts';
import { until } from './until.ts';
import type { Answer, Call } from './world.ts';

export const LARGE = 1000;
export const SMALL = 20;
let count = 0;

/** An account to erase and a bystander, both present. */
export async function subject(sql: Sql, posts = LARGE, feeds = 3) {
  const email = `subject-${process.pid}-${++count}@example.com`;
  const [account, bystander] = (await populate(sql, [
    { email, posts, feeds },
    { email: `bystander-${process.pid}-${count}@example.com`, posts: 10, feeds: 2 },
  ])) as [string, string];
  const before = await rowsOf(sql, account);
  expect(before).toEqual({ sessions: 2, posts, feeds, accounts: 1 });
  return { account, bystander, email, before, sum: await checksum(sql, bystander) };
}

/** The erasures of an account, oldest first. */
export const erasuresOf = (sql: Sql, account: string) =>
  sql<{ id: string; state: string; email: string | null }[]>`
    SELECT id, state, email FROM lethe.erasure WHERE account_key = ${account} ORDER BY id`;

/** Whether the application would refuse this account's sign-in. */
export async function isFlagged(sql: Sql, account: string): Promise<boolean> {
  const [row] = await sql<{ flagged: boolean }[]>`
    SELECT erasure_requested_at IS NOT NULL AS flagged FROM accounts WHERE id = ${account}`;
  return row?.flagged ?? false;
}

/** A checksum over all that the application and Lethe have stored: equal means that nothing changed. */
export async function everything(sql: Sql): Promise<string> {
  const application = ['accounts', 'sessions', 'feeds', 'posts'];
  const own = ['erasure', 'task', 'chunk', 'event', 'idempotency', 'notification'].map((t) => `lethe.${t}`);
  const sums = [...application, ...own].map(
    (table) => `SELECT '${table} ' || md5(coalesce(string_agg(t::text, E'\\n' ORDER BY t::text), '')) FROM ${table} t`,
  );
  const rows = await sql.unsafe<Record<string, string>[]>(sums.join(' UNION ALL '));
  return rows
    .flatMap((row) => Object.values(row))
    .sort()
    .join('\n');
}

/** An error as RFC 9457 asks for it, with the stable code. */
export function expectProblem(answer: Answer, status: number, code: string): void {
  expect(answer.body).toMatchObject({ type: 'about:blank', status, code });
  expect(answer.status).toBe(status);
  expect(answer.headers.get('content-type')).toBe('application/problem+json');
  expect(answer.headers.get('cache-control')).toBe('no-store');
  expect(answer.body.title).toEqual(expect.any(String));
  expect(answer.body.detail).toEqual(expect.any(String));
  expect(answer.body.requestId).toBe(answer.headers.get('x-request-id'));
  expect(String(answer.body.requestId).length).toBeGreaterThan(8);
  if (status === 401) expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer realm="lethe", error="/);
}

/** True where a busy machine was not in time: nothing was accepted, and the same request may be made again. */
export function isTooBusy(answer: Answer): boolean {
  if (answer.status !== 503) return false;
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  return ['database_unavailable', 'account_busy'].includes(String(answer.body.code));
}

/**
 * Asks for an erasure and expects it to be accepted; returns its id and the API's path with the token of its status link.
 * It is asked again where the machine is too busy.
 */
export async function accepted(call: Call, account: string, options: Parameters<Call>[2] = { body: {} }) {
  const answer = await until('the database is in time', async () => {
    const answer = await call('POST', `/v1/accounts/${account}/erasure`, options);
    return isTooBusy(answer) ? null : answer;
  });
  expect(answer.status, JSON.stringify(answer.body)).toBeOneOf([200, 202]);
  const link = new URL(String(answer.body.statusUrl));
  const id = String(answer.body.id);
  return { answer, id, link: `/v1/erasures/${id}${link.search}` };
}
