import { fileURLToPath } from 'node:url';
import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import postgres, { type Sql } from 'postgres';
import { UsageError } from '../errors.ts';
import { parseDatabaseUrl } from '../settings/database-address.ts';
import { ARRAYS } from './arrays.ts';
import { selectExactly } from './exactly.ts';
import * as schema from './schema.ts';

export type Database = PostgresJsDatabase<typeof schema> & { $client: Sql };
export type Transaction = Parameters<Parameters<Database['transaction']>[0]>[0];
/** Either works where a verb only runs statements. */
export type Executor = Database | Transaction;

/** The driver's `max_pipeline`, which its types leave out: no statement waits on a connection behind a slow one. */
const ONE_AT_A_TIME: object = { max_pipeline: 0 };

/**
 * What is counted and measured is read as numeric, because the setting extra_float_digits can round a double to one
 * digit.
 */
const NUMERIC = { to: 1700, from: [1700], serialize: String, parse: Number };

export type Connection = { db: Database; close: () => Promise<void> };

/** The mark of `scripts/patch-postgres.mjs` in what it edits last. */
const GUARDED = 'lethe: begins together with what follows';
const SCRIPT = fileURLToPath(new URL('../../scripts/patch-postgres.mjs', import.meta.url));

type DriverOptions = { max: number; applicationName: string; connectTimeout: number; more?: object };

/**
 * Opens the driver for what `DATABASE_URL` says: the only place that does. Throws a UsageError for an address that is
 * none. Also throws one for a driver without its guards, which would end the process when Postgres restarts (decision
 * 003).
 */
export function openDriver(url: string, { max, applicationName, connectTimeout, more }: DriverOptions): Sql {
  const parsed = parseDatabaseUrl(url);
  if ('problem' in parsed) throw new UsageError([`the database's address: ${parsed.problem}`]);
  const { connectTimeout: asked, options, ...address } = parsed.address;
  // The driver's types know some of its options.
  const driver: object = {
    ...address,
    max,
    prepare: false,
    fetch_types: false,
    connect_timeout: asked ?? connectTimeout,
    onnotice: () => {},
    connection: { application_name: applicationName, ...(options === undefined ? {} : { options }) },
    ...more,
  };
  const client = postgres(driver);
  if (!String(client.begin).includes(GUARDED))
    throw new UsageError([`the Postgres driver is installed without its guards: run node ${SCRIPT}`]);
  return client;
}

/**
 * Opens a pool. No session state, and no prepared statements until a session has shown that no pooler stands between
 * (`prepared.ts`). A connection that cannot be made is given up after a second and tried again soon. The driver's own
 * growing pauses would keep the API down for seconds after Postgres is back.
 */
export function connect(url: string, options: { max: number; applicationName: string }): Connection {
  const client = openDriver(url, {
    max: options.max,
    applicationName: options.applicationName,
    connectTimeout: 1,
    more: {
      types: { ...ARRAYS, numeric: NUMERIC },
      ...ONE_AT_A_TIME,
      idle_timeout: 60,
      max_lifetime: 30 * 60,
      backoff: () => 0.1 + Math.random() * 0.1,
    },
  });
  const db = drizzle(client, { schema });
  selectExactly(db);
  return { db, close: () => client.end({ timeout: 5 }) };
}
