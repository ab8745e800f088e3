import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import postgres, { type Sql } from 'postgres';
import { ARRAYS } from './arrays.ts';
import { selectExactly } from './exactly.ts';
import * as schema from './schema.ts';

export type Database = PostgresJsDatabase<typeof schema> & { $client: Sql };
export type Transaction = Parameters<Parameters<Database['transaction']>[0]>[0];
/** Either works where a verb only runs statements. */
export type Executor = Database | Transaction;

/** The driver's `max_pipeline`, which its types leave out: no statement waits on a connection behind a slow one. */
const ONE_AT_A_TIME: object = { max_pipeline: 0 };

/** What is counted and measured is read as numeric: extra_float_digits rounds a double to one digit where it likes to. */
const NUMERIC = { to: 1700, from: [1700], serialize: String, parse: Number };

export type Connection = { db: Database; close: () => Promise<void> };

/**
 * Opens a pool. No session state, and no prepared statements until a session has shown that no pooler stands
 * between (`prepared.ts`). A connection that cannot be made is given up after a second and tried again soon: the
 * driver's own growing pauses would keep the API down for seconds after Postgres is back.
 */
export function connect(url: string, options: { max: number; applicationName: string }): Connection {
  const client = postgres(url, {
    max: options.max,
    prepare: false,
    fetch_types: false,
    types: { ...ARRAYS, numeric: NUMERIC },
    ...ONE_AT_A_TIME,
    connect_timeout: 1,
    idle_timeout: 60,
    max_lifetime: 30 * 60,
    backoff: () => 0.1 + Math.random() * 0.1,
    onnotice: () => {},
    connection: { application_name: options.applicationName },
  });
  const db = drizzle(client, { schema });
  selectExactly(db);
  return { db, close: () => client.end({ timeout: 5 }) };
}
