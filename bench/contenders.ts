import type { Sql } from 'postgres';
import type { RedisServer } from '../dev/redis.ts';
import { ask, deploy, stageSeconds, waitForCompletion } from './lethe.ts';
import { deleteInLoop } from './loop.ts';
import { deployPlainJob } from './plain-job.ts';
import type { Ready } from './ready.ts';

export type Target = { sql: Sql; url: string; redis: RedisServer; account: string };
export type Contender = {
  name: string;
  what: string;
  /** Only what it deletes counts: the account with all it owns, or the posts alone. */
  scope: 'account' | 'posts';
  prepare: (target: Target) => Promise<Ready>;
};

const LIMIT_MS = 30 * 60_000;

const lethe = (pace: string, workers: number): Contender => ({
  name: `lethe-${pace}-${workers}`,
  what: `Lethe, pace ${pace}, ${workers} worker${workers > 1 ? 's' : ''}`,
  scope: 'account',
  prepare: async ({ sql, url, redis, account }) => {
    const deployed = await deploy(url, redis, workers, {
      LETHE_PACE: pace,
      LETHE_CONCURRENCY: String(Math.ceil(2 / workers)),
    });
    return {
      erase: async () => {
        const id = await ask(deployed, account);
        await waitForCompletion(sql, [id], LIMIT_MS);
        return { postsSeconds: await stageSeconds(sql, id, 'posts') };
      },
      memory: deployed.workerMemory,
      stop: deployed.stop,
    };
  },
});

/** Everybody who takes part, in the order of one round. */
export const CONTENDERS: readonly Contender[] = [
  {
    name: 'cascade',
    what: 'DELETE FROM accounts … ON DELETE CASCADE',
    scope: 'account',
    prepare: async ({ sql, account }) => ({
      erase: async () => {
        await sql`DELETE FROM accounts WHERE id = ${account}`;
        return {};
      },
    }),
  },
  lethe('full', 1),
  lethe('balanced', 1),
  {
    name: 'single',
    what: 'DELETE FROM posts WHERE account_id = …',
    scope: 'posts',
    prepare: async ({ sql, account }) => ({
      erase: async () => {
        await sql`DELETE FROM posts WHERE account_id = ${account}`;
        return {};
      },
    }),
  },
  lethe('full', 2),
  lethe('balanced', 2),
  {
    name: 'loop',
    what: 'a loop of DELETE … LIMIT 1000',
    scope: 'account',
    prepare: async ({ sql, account }) => ({
      erase: async () => {
        await deleteInLoop(sql, account);
        return {};
      },
    }),
  },
  {
    name: 'plain-job',
    what: 'a BullMQ job per account with that loop',
    scope: 'account',
    prepare: async ({ url, redis, account }) => deployPlainJob(url, redis, account),
  },
];
