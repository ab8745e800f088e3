import { isDeepStrictEqual } from 'node:util';
import type { Sql } from 'postgres';
import { countRows, readLedger, readMails } from '../../dev/evidence.ts';
import { until } from '../support/until.ts';
import type { Asked } from './ask.ts';

/** Waits until nothing is left to do: no erasure open, no mail on its way. Says nothing when that does not happen. */
export async function settle(sql: Sql, limitMs: number): Promise<void> {
  const idle = async () => {
    const [row] = await sql<{ idle: boolean }[]>`SELECT
      NOT EXISTS (SELECT FROM lethe.erasure WHERE state NOT IN ('completed', 'cancelled')) AND
      NOT EXISTS (SELECT FROM lethe.notification WHERE state = 'pending') AS idle`;
    return row?.idle;
  };
  await until('nothing is left to do', idle, limitMs).catch(() => {});
}

/**
 * What is wrong after the stream has ended, a line each. An erasure that is not complete, rows that are left, a ledger
 * that is not exact. Also a mail that is missing, too many, or neither sent nor skipped.
 */
export async function verify(sql: Sql, asked: readonly Asked[], outbox: string): Promise<string[]> {
  const wrong: string[] = [];
  const subjects = new Map<string, string[]>();
  for (const { to, subject } of readMails(outbox)) subjects.set(to, [...(subjects.get(to) ?? []), subject]);
  for (const { email, account, rows, erasureId } of asked) {
    const [erasure] = await sql<{ state: string }[]>`SELECT state FROM lethe.erasure WHERE id = ${erasureId}`;
    if (erasure?.state !== 'completed') {
      wrong.push(`${email}: the erasure is ${erasure?.state ?? 'gone'}`);
      continue;
    }
    const left = await countRows(sql, account);
    if (Object.values(left).some((n) => n > 0)) wrong.push(`${email}: rows are left: ${JSON.stringify(left)}`);
    const ledger = await readLedger(sql, erasureId);
    if (!isDeepStrictEqual({ ...ledger }, { ...rows }))
      wrong.push(`${email}: the ledger says ${JSON.stringify(ledger)}, there were ${JSON.stringify(rows)}`);
    const notifications = await sql<{ kind: string; state: string }[]>`
      SELECT kind, state FROM lethe.notification WHERE erasure_id = ${erasureId}`;
    const bad = notifications.filter(({ state }) => state !== 'sent').map(({ kind, state }) => `${kind} is ${state}`);
    if (bad.length > 0 || !notifications.some(({ kind }) => kind === 'completed'))
      wrong.push(`${email}: mails: ${bad.join(', ') || 'no confirmation'}`);
    const mails = subjects.get(email) ?? [];
    if (mails.length !== notifications.length || new Set(mails).size !== mails.length)
      wrong.push(`${email}: ${mails.length} mails for ${notifications.length} notifications: ${mails.join(' | ')}`);
  }
  return wrong;
}
