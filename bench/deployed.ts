import postgres, { type Sql } from 'postgres';
import type { PostgresServer } from '../dev/postgres.ts';
import { startRedis } from '../dev/redis.ts';
import { copyDatabase, withSql } from './database.ts';
import { type Deployment, deploy } from './lethe.ts';

export type Scene = { sql: Sql; url: string; lethe: Deployment };

/** Runs `work` with Lethe deployed on a fresh copy of a template, and cleans up. `prepare` changes the database before that. */
export async function withDeployment<T>(
  server: PostgresServer,
  template: string,
  workers: number,
  env: Record<string, string>,
  work: (scene: Scene) => Promise<T>,
  nodeOptions: readonly string[] = [],
  prepare: (sql: Sql) => Promise<unknown> = async () => {},
): Promise<T> {
  const url = await copyDatabase(server, template, 'run');
  const redis = await startRedis({ durable: true });
  const sql = postgres(url, { max: 2, onnotice: () => {} });
  await prepare(sql);
  const lethe = await deploy(url, redis, workers, env, nodeOptions);
  try {
    return await work({ sql, url, lethe });
  } finally {
    await lethe.stop();
    await sql.end({ timeout: 5 });
    await redis.destroy();
    await withSql(server.url(), (admin) => admin.unsafe('DROP DATABASE IF EXISTS run WITH (FORCE)'));
  }
}
