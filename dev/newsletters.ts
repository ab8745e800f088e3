import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import postgres, { type Sql } from 'postgres';
import { readLedger } from './evidence.ts';
import { freePort } from './free-port.ts';
import { lethe, type Stack, stop, waitForPort } from './stack.ts';

const DATABASE = 'newsletters';
const SCHEMA = `
  CREATE TABLE subscribers (id bigint PRIMARY KEY, created_at timestamptz NOT NULL DEFAULT now());
  CREATE TABLE subscriptions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subscriber_id bigint NOT NULL REFERENCES subscribers (id) ON DELETE CASCADE,
    title text NOT NULL
  );
  CREATE INDEX ON subscriptions (subscriber_id, id);
`;
/** From so many subscriptions on, the workers erase the account, and it is acknowledged later. */
export const THRESHOLD = 100;
const CATALOG = `account: { table: subscribers, key: id, created: created_at, threshold: ${THRESHOLD} }
locations:
  - { table: subscriptions, account: subscriber_id, owner: newsletters }
`;

export type Newsletters = Awaited<ReturnType<typeof startNewsletters>>;

/**
 * A second Lethe: an API and a worker with a database, a catalog and a Redis prefix of their own.
 * `stop` kills its API; its worker stays.
 */
export async function startNewsletters(
  { postgres: server, env, folder }: Pick<Stack, 'postgres' | 'env' | 'folder'>,
  secret: string,
) {
  const admin = postgres(server.url(), { max: 1, onnotice: () => {} });
  await admin.unsafe(`CREATE DATABASE ${DATABASE}`);
  await admin.end();
  const sql: Sql = postgres(server.url(DATABASE), { max: 2, onnotice: () => {} });
  await sql.unsafe(SCHEMA);
  const catalog = join(folder, 'newsletters.yaml');
  writeFileSync(catalog, CATALOG);
  const base = `http://127.0.0.1:${await freePort()}`;
  const own = {
    ...env,
    DATABASE_URL: server.url(DATABASE),
    LETHE_REDIS_PREFIX: `{lethe-demo-${randomBytes(4).toString('hex')}}`,
    PORT: new URL(base).port,
    LETHE_PUBLIC_URL: base,
    LETHE_PRIVATE_HOSTS: '127.0.0.1',
    LETHE_CATALOG: catalog,
    LETHE_SECRET: randomBytes(24).toString('base64url'),
    LETHE_PARTNER_SECRET: secret,
  };
  const migrated = lethe('migrate', own);
  if ((await migrated.exited) !== 0) throw new Error(`lethe migrate of ${DATABASE} failed:\n${migrated.output()}`);
  const worker = lethe('worker', own);
  let api = lethe('api', own);
  await waitForPort(api);
  return {
    url: `${base}/v1/partner/erasures`,
    add: async (account: string, count: number) => {
      await sql`INSERT INTO subscribers (id) VALUES (${account})`;
      await sql`INSERT INTO subscriptions (subscriber_id, title) SELECT ${account}, 'Letter ' || n FROM generate_series(1, ${count}::int) n`;
    },
    /** Rows of an account, its own included. */
    count: async (account: string): Promise<number> => {
      const [row] = await sql`SELECT (SELECT count(*) FROM subscriptions WHERE subscriber_id = ${account})::int
        + (SELECT count(*) FROM subscribers WHERE id = ${account})::int AS n`;
      return row?.n;
    },
    /** What the second Lethe says of an account: how many erasures it had, and rows per table by the ledger of the first. */
    ledger: async (account: string): Promise<Record<string, number>> => {
      const erasures = await sql<{ id: string }[]>`SELECT id FROM lethe.erasure WHERE account_key = ${account}`;
      const [only] = erasures;
      return { erasures: erasures.length, ...(only && (await readLedger(sql, only.id))) };
    },
    /** A checksum over all rows of every account but those named. */
    checksum: async (but: readonly string[]): Promise<string> => {
      const [row] = await sql`SELECT count(*) || ':' || coalesce(sum(hashtextextended(r::text, 0)), 0) AS sum FROM (
        SELECT id, subscriber_id, title FROM subscriptions
        UNION ALL SELECT NULL, id, created_at::text FROM subscribers) r
        WHERE r.subscriber_id <> ALL(${[...but]}::bigint[])`;
      return row?.sum;
    },
    stop: () => stop(api, 'SIGKILL'),
    start: async () => {
      api = lethe('api', own);
      await waitForPort(api);
    },
    destroy: async () => {
      await Promise.all([stop(api), stop(worker)]);
      await sql.end({ timeout: 1 });
    },
  };
}
