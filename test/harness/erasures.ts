import { setTimeout as pause } from 'node:timers/promises';
import type { Sql } from 'postgres';
import type { Stage } from './scene.ts';
import type { Victim } from './schedule.ts';

/** How long a client goes on asking for an erasure that nobody accepts. Its key is kept for 30 s whenever an API dies with it. */
const ASKING_MS = 120_000;

/** Asks for one account's erasure as a careful client does: with one Idempotency-Key, until there is an answer. */
export async function ask(stage: Stage, account: string, victim: Victim): Promise<string> {
  await pause(victim.askAfterMs);
  const end = Date.now() + ASKING_MS;
  let last = '';
  while (Date.now() < end) {
    try {
      const response = await stage.call(
        'POST',
        `/v1/accounts/${account}/erasure`,
        { startNow: victim.startNow },
        { 'Idempotency-Key': `harness-${stage.database}-${account}` },
      );
      const text = await response.text();
      if (response.ok) return (JSON.parse(text) as { id: string }).id;
      last = `${response.status} ${text}`;
    } catch (error) {
      last = (error as Error).message;
    }
    await pause(200);
  }
  throw new Error(`nobody accepted the erasure of ${account} within ${ASKING_MS} ms; last: ${last}`);
}

export type State = { id: string; account: string; state: string; mode: string };

/** The erasures of these accounts. */
export const erasuresOf = (sql: Sql, accounts: readonly string[]) =>
  sql<State[]>`SELECT id, account_key AS account, state, mode FROM lethe.erasure
    WHERE account_key = ANY(${accounts as string[]}) ORDER BY id`;

async function untilAnswered(sql: Sql): Promise<void> {
  for (const end = Date.now() + ASKING_MS; ; await pause(100)) {
    try {
      await sql`SELECT 1`;
      return;
    } catch (error) {
      if (Date.now() > end) throw error;
    }
  }
}

/**
 * What waits for its next try need not wait for hours: lets the time pass for it. What is under way, and what would never
 * be due, stays as it is.
 */
export async function letTimePass(sql: Sql): Promise<void> {
  await sql`UPDATE lethe.call SET next_at = now()
             WHERE next_at > now() AND leased_until IS NULL AND state = 'open'`.catch(() => {});
}

/**
 * Waits until every erasure is completed and its mails are sent. Where `stalled` is a documented outcome an operator
 * replays it, once what was wrong is mended. Returns what is not in order when the time is up.
 */
export async function untilCompleted(stage: Stage, mayStall: boolean, limitMs: number): Promise<string[]> {
  const { sql, people } = stage;
  const end = Date.now() + limitMs;
  // The last fault may have left a server that recovers.
  await untilAnswered(sql);
  for (;;) {
    const erasures = await erasuresOf(sql, people.victims);
    const open = erasures.filter((e) => e.state !== 'completed');
    const stalled = open.filter((e) => e.state === 'stalled');
    if (stalled.length > 0 && !mayStall) return stalled.map((e) => `erasure ${e.id} has stalled`);
    await letTimePass(sql);
    for (const { id } of stalled) await stage.call('POST', `/v1/erasures/${id}/replay`).catch(() => {});
    const mails = await sql<{ kind: string; state: string; erasure: string }[]>`
      SELECT kind, state, erasure_id AS erasure FROM lethe.notification WHERE state = 'pending'`;
    if (open.length === 0 && mails.length === 0) return [];
    if (Date.now() > end)
      return [
        ...open.map((e) => `erasure ${e.id} is still ${e.state} after ${limitMs / 1000} s without faults`),
        ...mails.map((m) => `the mail "${m.kind}" of ${m.erasure} is still ${m.state}`),
      ];
    await pause(stalled.length > 0 ? 1_000 : 100);
  }
}
