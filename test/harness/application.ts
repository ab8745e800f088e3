import { setTimeout as pause } from 'node:timers/promises';
import type { Sql, TransactionSql } from 'postgres';
import type { Random } from './random.ts';

/** What the application does with the rows of the accounts that are being erased. */
export const ACTIVITIES = ['inserts', 'updates', 'deletes', 'locks', 'moves'] as const;
export type Activity = (typeof ACTIVITIES)[number];

/** The accounts whose rows it works on; rows are moved to `receiver` and back. */
export type People = { victims: readonly string[]; receiver: string };

/**
 * What the application itself has added to or taken from each account, written by the transaction that did it. Also
 * when a connection is cut in the middle of a commit, the tally says what was committed.
 */
export async function createTally(sql: Sql): Promise<void> {
  await sql`CREATE SCHEMA harness`;
  await sql`CREATE TABLE harness.tally (n bigint GENERATED ALWAYS AS IDENTITY, whose text, location text, delta int)`;
  // Who has changed a row behind a foreign key: the application's own deletions cascade too.
  await sql.unsafe(`
    CREATE TABLE harness.noticed (what text, who text);
    CREATE FUNCTION harness.notice() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      INSERT INTO harness.noticed VALUES (TG_TABLE_NAME, current_setting('application_name'));
      RETURN coalesce(NEW, OLD);
    END $$`);
}

/** The tally's sums, by account and location. */
export async function readTally(sql: Sql): Promise<Map<string, Record<string, number>>> {
  const rows = await sql<{ whose: string; location: string; sum: number }[]>`
    SELECT whose, location, sum(delta)::int AS sum FROM harness.tally GROUP BY 1, 2`;
  const sums = new Map<string, Record<string, number>>();
  for (const { whose, location, sum } of rows) sums.set(whose, { ...sums.get(whose), [location]: sum });
  return sums;
}

async function count(tx: TransactionSql, whose: string, location: string, delta: number): Promise<void> {
  if (delta !== 0)
    await tx`INSERT INTO harness.tally (whose, location, delta) VALUES (${whose}, ${location}, ${delta})`;
}

/** Goes on with one activity, a transaction after the other, until the returned function is called. */
export function act(sql: Sql, activity: Activity, people: People, random: Random): () => Promise<void> {
  let working = true;
  const work = (async () => {
    while (working) {
      const victim = random.pick(people.victims);
      try {
        await sql.begin((tx) => DO[activity](tx, victim, people.receiver, random));
      } catch {
        // The account or the table is gone, the server is away, a lock was not given: whatever was not committed was
        // not counted either.
      }
      await pause(random.integer(1, 20));
    }
  })();
  return async () => {
    working = false;
    await work;
  };
}

type Do = (tx: TransactionSql, victim: string, receiver: string, random: Random) => Promise<unknown>;

const insertPosts = async (tx: TransactionSql, account: string, n: number) => {
  const { count: added } = await tx`INSERT INTO posts (account_id, feed_id, title, body)
    SELECT ${account}, id, 'late', 'late' FROM feeds WHERE account_id = ${account} ORDER BY random() LIMIT ${n}`;
  await count(tx, account, 'posts', added);
};

const DO: Record<Activity, Do> = {
  inserts: async (tx, victim, _receiver, random) => {
    if (random.chance(0.2)) {
      await tx`INSERT INTO sessions (account_id) VALUES (${victim})`;
      await count(tx, victim, 'sessions', 1);
    }
    if (random.chance(0.4)) {
      const { count: added } = await tx`INSERT INTO feeds (account_id, title) VALUES (${victim}, 'late')`;
      await count(tx, victim, 'feeds', added);
    }
    await insertPosts(tx, victim, random.integer(1, 5));
  },
  // In any order, and the account last: the reverse of how Lethe takes them.
  updates: async (tx, victim, _receiver, random) => {
    const order = tx.unsafe(random.pick(['ASC', 'DESC']));
    await tx`UPDATE posts SET title = title || '.' WHERE id IN
      (SELECT id FROM posts WHERE account_id = ${victim} ORDER BY id ${order} LIMIT ${random.integer(1, 20)})`;
    await tx`UPDATE feeds SET title = title || '.' WHERE id IN
      (SELECT id FROM feeds WHERE account_id = ${victim} ORDER BY id ${order} LIMIT 5)`;
    if (random.chance(0.3)) await tx`UPDATE accounts SET email = email WHERE id = ${victim}`;
  },
  deletes: async (tx, victim, _receiver, random) => {
    if (random.chance(0.7)) {
      const { count: gone } = await tx`DELETE FROM posts WHERE id IN
        (SELECT id FROM posts WHERE account_id = ${victim} ORDER BY random() LIMIT ${random.integer(1, 10)}) AND account_id = ${victim}`;
      return count(tx, victim, 'posts', -gone);
    }
    // Held before its posts are looked at: one that came in between would be cascaded away uncounted.
    const [feed] =
      await tx`SELECT id FROM feeds WHERE account_id = ${victim} ORDER BY random() LIMIT 1 FOR UPDATE SKIP LOCKED`;
    if (!feed) return;
    const posts = await tx`DELETE FROM posts WHERE feed_id = ${feed.id}`;
    const feeds = await tx`DELETE FROM feeds WHERE id = ${feed.id}`;
    await count(tx, victim, 'posts', -posts.count);
    await count(tx, victim, 'feeds', -feeds.count);
  },
  locks: async (tx, victim, _receiver, random) => {
    const order = tx.unsafe(random.pick(['ASC', 'DESC']));
    const table = tx.unsafe(random.pick(['posts', 'feeds', 'sessions']));
    await tx`SELECT 1 FROM ${table} WHERE account_id = ${victim} ORDER BY id ${order} LIMIT ${random.integer(1, 30)} FOR UPDATE`;
    if (random.chance(0.3))
      await tx`SELECT 1 FROM accounts WHERE id = ${victim} ${tx.unsafe(random.pick(['FOR KEY SHARE', 'FOR UPDATE']))}`;
    await pause(random.integer(5, 400));
  },
  moves: async (tx, victim, receiver, random) => {
    const [from, to] = random.chance(0.7) ? [victim, receiver] : [receiver, victim];
    const [feed] = await tx`SELECT id FROM feeds WHERE account_id = ${to} ORDER BY id LIMIT 1`;
    if (!feed) return;
    const { count: moved } = await tx`UPDATE posts SET account_id = ${to}, feed_id = ${feed.id} WHERE id IN
      (SELECT id FROM posts WHERE account_id = ${from} ORDER BY random() LIMIT ${random.integer(1, 10)}) AND account_id = ${from}`;
    await count(tx, from, 'posts', -moved);
    await count(tx, to, 'posts', moved);
  },
};
