import { readFileSync } from 'node:fs';
import postgres, { type Sql } from 'postgres';
import { type PostgresServer, startPostgres } from '../dev/postgres.ts';
import { createReader, type Population, populate } from '../dev/reader.ts';
import { migrate } from '../src/store/migrate.ts';

const CONFIGURATION = new URL('postgresql.conf', import.meta.url);
/** Accounts that are nobody's victim: the probe reads and writes theirs. */
export const BYSTANDER = 'bystander';

/** The settings of `bench/postgresql.conf`: `name = value` a line. */
export function readSettings(file: URL = CONFIGURATION): Record<string, string> {
  const lines = readFileSync(file, 'utf8').split('\n');
  return Object.fromEntries(
    lines.filter((line) => /^\w/.test(line)).map((line) => line.split('=').map((part) => part.trim())),
  );
}

/** A server with the benchmark's configuration. */
export const startServer = (): Promise<PostgresServer> => startPostgres(readSettings());

/** Accounts of equal size that hold `posts` posts together. */
export const background = (accounts: number, posts: number): Population[] =>
  Array.from({ length: accounts }, (_, i) => ({
    email: `${BYSTANDER}-${i}@example.com`,
    posts: Math.round(posts / accounts),
    feeds: 15,
  }));

/** Runs `work` on a connection of its own. */
export async function withSql<T>(url: string, work: (sql: Sql) => Promise<T>): Promise<T> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    return await work(sql);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

/** Creates a database with the reader's tables, these accounts with their posts interleaved, and Lethe's schema. */
export async function createTemplate(server: PostgresServer, name: string, accounts: Population[]): Promise<void> {
  await withSql(server.url(), (sql) => sql.unsafe(`CREATE DATABASE ${name}`));
  await withSql(server.url(name), async (sql) => {
    await createReader(sql);
    await withoutIndexes(sql, () => populate(sql, accounts));
    await sql`VACUUM ANALYZE`;
  });
  await migrate(server.url(name));
  await withSql(server.url(), (sql) => sql`CHECKPOINT`);
}

/** Index by index at the end, and without a look at each reference: millions of rows load in a third of the time. */
async function withoutIndexes(sql: Sql, work: () => Promise<unknown>): Promise<void> {
  const indexes = await sql<{ name: string; definition: string }[]>`
    SELECT c.relname AS name, pg_get_indexdef(i.indexrelid) AS definition
      FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
     WHERE i.indrelid = 'posts'::regclass AND NOT i.indisunique`;
  for (const { name } of indexes) await sql.unsafe(`DROP INDEX ${name}`);
  await sql`SET session_replication_role = replica`;
  await work();
  await sql`RESET session_replication_role`;
  for (const { definition } of indexes) await sql.unsafe(definition);
}

/** A copy of a template: every contender starts from the same files. Returns its URL. */
export async function copyDatabase(server: PostgresServer, template: string, name: string): Promise<string> {
  await withSql(server.url(), async (sql) => {
    await sql.unsafe(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    await sql.unsafe(`CREATE DATABASE ${name} TEMPLATE ${template} STRATEGY FILE_COPY`);
  });
  return server.url(name);
}

/** The keys of accounts whose address begins with `prefix`, oldest first. */
export async function accountsLike(sql: Sql, prefix: string): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    SELECT id::text FROM accounts WHERE email LIKE ${`${prefix}%`} ORDER BY id`;
  return rows.map((row) => row.id);
}
