import type { TestProject } from 'vitest/node';
import { startPostgres } from '../../dev/postgres.ts';
import { startRedis } from '../../dev/redis.ts';
import { build } from './build.ts';
import { createTemplate } from './template.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** URL of the server's maintenance database. */
    postgresUrl: string;
    redisUrl: string;
    /** Folder of the programs that are built once for all test files. */
    programs: string;
  }
}

/**
 * Starts the Postgres and the Redis that the test files share, never those of DATABASE_URL and REDIS_URL, and builds
 * what they start as processes.
 */
export default async function servers(project: TestProject): Promise<() => Promise<void>> {
  const [pg, redis, programs] = await Promise.all([
    startPostgres({ fsync: 'off', shared_buffers: '256MB', max_connections: '300' }),
    startRedis(),
    build(),
  ]);
  await createTemplate(pg);
  project.provide('postgresUrl', pg.url());
  project.provide('redisUrl', redis.url);
  project.provide('programs', programs.folder);
  return async () => {
    await Promise.all([pg.destroy(), redis.destroy()]);
    programs.remove();
  };
}
