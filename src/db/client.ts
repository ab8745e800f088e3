import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import postgres, { type Sql } from 'postgres';
import { ARRAYS } from './arrays.ts';
import * as schema from './schema.ts';

export type Database = PostgresJsDatabase<typeof schema> & { $client: Sql };
export type Transaction = Parameters<Parameters<Database['transaction']>[0]>[0];
/** Either works where a verb only runs statements. */
export type Executor = Database | Transaction;

/** The driver's `max_pipeline`, which its types leave out: no statement waits on a connection behind a slow one. */
const ONE_AT_A_TIME: object = { max_pipeline: 0 };

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
    types: ARRAYS,
    ...ONE_AT_A_TIME,
    connect_timeout: 1,
    idle_timeout: 60,
    max_lifetime: 30 * 60,
    backoff: () => 0.1 + Math.random() * 0.1,
    onnotice: () => {},
    connection: { application_name: options.applicationName },
  });
  return { db: drizzle(client, { schema }), close: () => client.end({ timeout: 5 }) };
}
