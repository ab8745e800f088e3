import type { Sql } from 'postgres';
import { until } from './until.ts';

export type Kind = 'received' | 'completed';

export type Notification = {
  id: string;
  state: string;
  attempt: number;
  provider_id: string | null;
  outcome: string | null;
  unknown_since: Date | null;
  next_at: Date;
  finished_at: Date | null;
};

/** The notification of an erasure, or undefined. */
export async function findNotification(sql: Sql, erasureId: string, kind: Kind): Promise<Notification | undefined> {
  const [row] = await sql<Notification[]>`
    SELECT id, state, attempt, provider_id, outcome, unknown_since, next_at, finished_at
      FROM lethe.notification WHERE erasure_id = ${erasureId} AND kind = ${kind}`;
  return row;
}

/** Waits for a state; gives the row. */
export function notificationIn(
  sql: Sql,
  erasureId: string,
  kind: Kind,
  state: string,
  ms = 60_000,
): Promise<Notification> {
  return until(
    `the mail "${kind}" is ${state}`,
    async () => {
      const row = await findNotification(sql, erasureId, kind);
      return row?.state === state && row;
    },
    ms,
  );
}

/** What is recorded about mails of an erasure, oldest first. */
export async function mailEvents(sql: Sql, erasureId: string): Promise<{ type: string; data: unknown }[]> {
  const rows = await sql<{ type: string; data: unknown }[]>`
    SELECT type, data FROM lethe.event WHERE erasure_id = ${erasureId} AND type LIKE 'mail.%' ORDER BY id`;
  return rows.map(({ type, data }) => ({ type, data }));
}

/** The address that is kept with an erasure; null once it is forgotten. */
export async function addressOf(sql: Sql, erasureId: string): Promise<string | null> {
  const [row] = await sql<{ email: string | null }[]>`SELECT email FROM lethe.erasure WHERE id = ${erasureId}`;
  if (!row) throw new Error(`no erasure ${erasureId}`);
  return row.email;
}

/** Lets reconcile take the mail up now instead of in minutes or an hour. */
export async function makeDue(sql: Sql, notificationId: string): Promise<void> {
  await sql`UPDATE lethe.notification SET next_at = now() WHERE id = ${notificationId}`;
}
