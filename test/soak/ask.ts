import { setTimeout as pause } from 'node:timers/promises';
import type { Sql } from 'postgres';
import type { Rows } from '../../dev/evidence.ts';
import { populate } from '../../dev/reader.ts';
import type { Deployment } from './deploy.ts';

/** One request of the stream, and what it must have deleted when it is done. */
export type Asked = { email: string; account: string; rows: Rows; erasureId: string };

export type Stream = {
  asked: Asked[];
  /** Accounts for which no answer came in time, or a wrong one. */
  refused: string[];
  /** How often a request had to be sent again. */
  repeats: () => number;
  /** Asks for no more; resolves when every request has been answered. */
  stop: () => Promise<void>;
};

/** Posts of the accounts, again and again: mostly small as in life, up to what takes several windows of work. */
const SIZES = [20, 300, 2_000, 50, 900, 5_000, 100, 500, 10_000, 30, 700, 1_000, 200, 20_000];
const GIVE_UP_MS = 120_000;

/**
 * Creates an account and asks for its erasure, at a steady rate. Every second one starts at once, the others with the
 * sweep; every third one is followed as a status page does. A request is sent again, with the same
 * `Idempotency-Key`, until it is answered, as an application would.
 */
export function startAsking(sql: Sql, lethe: Deployment, everyMs: number): Stream {
  const asked: Asked[] = [];
  const refused: string[] = [];
  const open = new Set<Promise<void>>();
  let repeats = 0;
  let n = 0;
  let stopped = false;

  const one = async (number: number): Promise<void> => {
    const email = `soak-${number}@example.com`;
    const posts = SIZES[number % SIZES.length] as number;
    const feeds = 1 + Math.ceil(posts / 100);
    const [account] = (await populate(sql, [{ email, posts, feeds }])) as [string];
    const answer = await untilAnswered(account, email, number % 2 === 0);
    if (!answer) return;
    asked.push({ email, account, rows: { accounts: 1, sessions: 2, feeds, posts }, erasureId: answer.id });
    if (number % 3 === 0) await follow(answer.id);
  };

  const untilAnswered = async (account: string, email: string, startNow: boolean) => {
    const end = Date.now() + GIVE_UP_MS;
    let last = '';
    while (Date.now() < end) {
      try {
        const response = await lethe.call('POST', `/v1/accounts/${account}/erasure`, startNow ? { startNow } : {}, {
          'Idempotency-Key': email,
        });
        const text = await response.text();
        if (response.ok) return JSON.parse(text) as { id: string };
        last = `${response.status} ${text}`;
        // 409: the first attempt has not ended. Anything else below 500 would be answered the same again.
        if (response.status < 500 && response.status !== 409) break;
      } catch (error) {
        last = (error as Error).message;
      }
      repeats += 1;
      await pause(300);
    }
    refused.push(`${email}: ${last}`);
    return undefined;
  };

  /** Reads the events until the stream ends, or the API does. */
  const follow = async (id: string): Promise<void> => {
    try {
      const response = await lethe.call('GET', `/v1/erasures/${id}/events`);
      for await (const _ of response.body ?? []) if (stopped) break;
    } catch {
      // A page would connect again.
    }
  };

  const timer = setInterval(() => {
    const number = n++;
    const done = one(number)
      .catch((error: Error) => void refused.push(`soak-${number}: ${error.message}`))
      .finally(() => open.delete(done));
    open.add(done);
  }, everyMs);
  return {
    asked,
    refused,
    repeats: () => repeats,
    stop: async () => {
      clearInterval(timer);
      stopped = true;
      await Promise.all(open);
    },
  };
}
