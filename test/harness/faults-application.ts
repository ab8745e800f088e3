import { setTimeout as pause } from 'node:timers/promises';
import type { Sql } from 'postgres';
import { ACTIVITIES, act } from './application.ts';
import type { Fault, TimeFault } from './fault.ts';

const WORDS: Record<(typeof ACTIVITIES)[number], string> = {
  inserts: 'posts, feeds and sessions',
  updates: 'rows in any order, and the account after them',
  deletes: 'posts, and feeds with their posts',
  locks: 'rows in any order and the account, and holds them for up to 400 ms',
  moves: 'posts to another account, and back',
};

const busy = (activity: (typeof ACTIVITIES)[number]): TimeFault => ({
  name: `application-${activity}`,
  what: `the application ${activity} ${WORDS[activity]}`,
  on: 'time',
  do: async ({ application, people }, draw) => act(application, activity, people, draw),
});

/** Gives way to whoever holds the table, and comes again: a queue behind us would be another fault. */
async function alter(sql: Sql, statements: (tx: Sql) => Promise<unknown>): Promise<void> {
  await sql.begin(async (tx) => {
    await tx`SET LOCAL lock_timeout = '2s'`;
    await statements(tx as unknown as Sql);
  });
}

/** Waits for a moment in which a window of chunks is out: between two steps it would be no surprise. */
async function untilPostsGo(sql: Sql): Promise<void> {
  for (const end = Date.now() + 3_000; Date.now() < end; await pause(10)) {
    const rows = await sql`SELECT 1 FROM lethe.task t JOIN lethe.chunk c ON c.task_id = t.id
      WHERE t.location = 'posts' AND t.state = 'running' AND c.finished_at IS NULL LIMIT 1`;
    if (rows.length > 0) return;
  }
}

/** What the application does to its own rows and tables. */
export const APPLICATION_FAULTS: readonly Fault[] = [
  ...ACTIVITIES.map(busy),
  {
    name: 'table-locked',
    what: 'LOCK TABLE … IN ACCESS EXCLUSIVE MODE',
    on: 'time',
    do: async ({ application }, draw) => {
      const table = draw.pick(['posts', 'feeds', 'accounts', 'sessions']);
      let release: () => void = () => {};
      const released = new Promise<void>((resolve) => {
        release = resolve;
      });
      const locking = application
        .begin(async (tx) => {
          await tx.unsafe(`LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
          await released;
        })
        // Where the server has gone meanwhile there is no lock either.
        .catch(() => {});
      return async () => {
        release();
        await locking;
      };
    },
  },
  {
    name: 'table-renamed',
    what: 'a table is renamed under our feet, and back after a while',
    on: 'time',
    stalls: true,
    do: async ({ application }, draw) => {
      const table = draw.pick(['posts', 'feeds', 'sessions']);
      await alter(application, (tx) => tx.unsafe(`ALTER TABLE IF EXISTS ${table} RENAME TO ${table}_before`));
      return () => alter(application, (tx) => tx.unsafe(`ALTER TABLE IF EXISTS ${table}_before RENAME TO ${table}`));
    },
  },
  {
    name: 'foreign-key-added',
    what: "a new table references the account's posts, with rows in it that are somebody else's; an operator drops it after a while",
    on: 'time',
    stalls: true,
    do: async ({ application, people, violated }, draw) => {
      const table = `bookmarks_${draw.integer(1, 1e9)}`;
      const action = draw.pick(['CASCADE', 'SET NULL', 'NO ACTION']);
      await untilPostsGo(application);
      await alter(application, async (tx) => {
        await tx.unsafe(`CREATE TABLE ${table} (post_id bigint REFERENCES posts (id) ON DELETE ${action})`);
        await tx.unsafe(
          `CREATE TRIGGER noticed BEFORE UPDATE OR DELETE ON ${table} FOR EACH ROW EXECUTE FUNCTION harness.notice()`,
        );
        // The highest keys are erased last.
        await tx.unsafe(
          `INSERT INTO ${table} SELECT id FROM posts WHERE account_id = ANY($1) ORDER BY id DESC LIMIT 50`,
          [people.victims as string[]],
        );
      });
      return async () => {
        await alter(application, (tx) => tx.unsafe(`DROP TABLE IF EXISTS ${table}`));
        const unseen = await application<{ who: string; n: number }[]>`
          SELECT who, count(*)::int AS n FROM harness.noticed WHERE what = ${table} AND who LIKE 'lethe-%' GROUP BY 1`;
        for (const { who, n } of unseen)
          violated(`${who} changed ${n} rows behind a foreign key (${action}) that was added meanwhile`);
      };
    },
  },
];
