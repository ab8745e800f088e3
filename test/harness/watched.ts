import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Sql } from 'postgres';
import { type Destination, openBucket, openFolder } from './dataset-destination.ts';
import { Receiver } from './receiver.ts';

/** Addresses of test data end with it. */
const CANARY_HOST = '@canary.test';
export const isCanary = (address: string) => address.endsWith(CANARY_HOST);

/** What watches a run: a team that is told, test data, and the dataset. */
export type Watched = {
  receiver: Receiver;
  dataset: Destination;
  /** Sections of the catalog. */
  sections: string;
  env: Readonly<Record<string, string>>;
  /** What stands in `LETHE_API_KEYS` besides. */
  apiKey: string;
  close: () => Promise<void>;
};

const PLANT = [
  `INSERT INTO accounts (email) VALUES ($marker || '${CANARY_HOST}') RETURNING id`,
  'INSERT INTO sessions (account_id) SELECT $account::bigint FROM generate_series(1, 2)',
  "INSERT INTO feeds (account_id, title) SELECT $account::bigint, 'Feed ' || n FROM generate_series(1, 3) n",
  "INSERT INTO posts (account_id, feed_id, title, body) SELECT account_id, id, 'Post', 'Post' FROM feeds, generate_series(1, 20) WHERE account_id = $account::bigint",
];

/** Teams that are told; the others look at their alerts. */
const TOLD = ['identity', 'reader', 'search', 'letters', 'data', 'media', 'pipeline'];

/** Starts what watches a run: the receiver of messages and, by `bucket`, a bucket or a folder for the dataset. */
export async function openWatched(given: {
  folder: string;
  bucket: boolean;
  violated: (what: string) => void;
}): Promise<Watched> {
  const receiver = new Receiver(given.violated);
  await receiver.open();
  const dataset = given.bucket ? await openBucket() : openFolder(join(given.folder, 'dataset'));
  const key = randomBytes(24).toString('base64url');
  const notify = `notify: { url: "${receiver.url}", secret: "env:ALERTS_SECRET" }`;
  return {
    receiver,
    dataset,
    sections: [
      'owners:',
      ...TOLD.map((owner) => `  - { owner: ${owner}, ${notify} }`),
      'canary:',
      '  owner: pipeline',
      '  every: 1m',
      '  wait: 1s',
      '  within: 5m',
      '  key: env:CANARY_API_KEY',
      '  plant:',
      ...PLANT.map((statement) => `    - ${JSON.stringify(statement)}`),
      `dataset: { owner: warehouse, sla: 30d, ${dataset.entry} }`,
      '',
    ].join('\n'),
    env: {
      ALERTS_SECRET: receiver.secret,
      CANARY_API_KEY: key,
      LETHE_PRIVATE_HOSTS: '127.0.0.1',
      LETHE_DATASET_CRON: '*/2 * * * * *',
      ...dataset.env,
    },
    apiKey: `canary=erasures:write=${createHash('sha256').update(key).digest('hex')}`,
    close: async () => {
      await receiver.shut();
      await dataset.close();
    },
  };
}

/** Writes erasures of former days, the oldest first: what is to be in the dataset. One day has none. */
export async function settlePast(sql: Sql): Promise<void> {
  await addPast(sql, 4, 3);
  await addPast(sql, 2, 25);
  await addPast(sql, 1, 40);
}

/** Writes so many erasures that ended `ago` days ago, as their last transaction would have. */
export async function addPast(sql: Sql, ago: number, n: number): Promise<void> {
  await sql`
    WITH d AS (SELECT date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - ${ago}::int * interval '1 day' AS day),
    e AS (
      INSERT INTO lethe.erasure (id, account_key, account_digest, state, mode, requested_at, starts_at, started_at, completed_at, due_at, catalog_digest)
      SELECT gen_random_uuid(), 'past-' || gen_random_uuid(), md5(random()::text), 'completed', 'scheduled',
             day, day, day, day + (i * 86399.0 / ${n}::int) * interval '1 second', day + interval '30 days', ''
        FROM d, generate_series(1, ${n}::int) i
      RETURNING id, completed_at)
    INSERT INTO lethe.event (erasure_id, type, data, at)
    SELECT id, 'account.erased', '{"catalog": "", "locations": ["posts", "accounts"]}'::jsonb, completed_at FROM e`;
}

/** A team is told after a minute, and five minutes after it was over. Lets the time pass for what is seen now. */
export async function letPatiencePass(sql: Sql): Promise<void> {
  await sql`UPDATE lethe.owner SET since = since - interval '61 seconds' WHERE state <> 'well'`;
  await sql`UPDATE lethe.owner SET calm_since = calm_since - interval '301 seconds' WHERE calm_since IS NOT NULL`;
  await sql`UPDATE lethe.owner SET next_at = now() WHERE next_at > now()`;
}

/** Lets a day end: what was erased until now was erased on the day before. */
export async function endDay(sql: Sql): Promise<void> {
  await sql`
    UPDATE lethe.event SET at = at - interval '1 day'
     WHERE type = 'account.erased' AND at >= date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'`;
}
