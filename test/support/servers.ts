import postgres from 'postgres';
import type { TestProject } from 'vitest/node';
import { type PostgresServer, startPostgres } from '../../dev/postgres.ts';
import { createReader } from '../../dev/reader.ts';
import { startRedis } from '../../dev/redis.ts';
import { migrate } from '../../src/store/migrate.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** URL of the server's maintenance database. */
    postgresUrl: string;
    redisUrl: string;
  }
}

/** The database that each test file's own is cloned from: the reader's tables and schema lethe. */
export const TEMPLATE = 'template_reader';

/** Creates the template on a server. */
export async function createTemplate(server: PostgresServer): Promise<void> {
  const admin = postgres(server.url(), { max: 1 });
  await admin.unsafe(`CREATE DATABASE ${TEMPLATE}`);
  await admin.end();
  const template = postgres(server.url(TEMPLATE), { max: 1, onnotice: () => {} });
  await createReader(template);
  await template.end();
  await migrate(server.url(TEMPLATE));
}

/** Starts the Postgres and the Redis that the test files share: never those of DATABASE_URL and REDIS_URL. */
export default async function servers(project: TestProject): Promise<() => Promise<void>> {
  const [pg, redis] = await Promise.all([
    startPostgres({ fsync: 'off', shared_buffers: '256MB', max_connections: '300' }),
    startRedis(),
  ]);
  await createTemplate(pg);
  project.provide('postgresUrl', pg.url());
  project.provide('redisUrl', redis.url);
  return async () => {
    await Promise.all([pg.destroy(), redis.destroy()]);
  };
}
