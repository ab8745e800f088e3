import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres, { type Sql } from 'postgres';
import { hashPassword } from '../src/http/sign-in/password.ts';
import { freePort } from './free-port.ts';
import { type PostgresServer, startPostgres } from './postgres.ts';
import { type Running, start, stop, waitForOutput } from './process.ts';
import { createReader } from './reader.ts';
import { sweepUp } from './reaper.ts';
import { type RedisServer, startRedis } from './redis.ts';

const DATABASE = 'reader';
const secret = () => randomBytes(24).toString('base64url');
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

export type Stack = {
  sql: Sql;
  postgres: PostgresServer;
  env: Record<string, string>;
  apiKey: string;
  password: string;
  outbox: string;
  /** For what else the demo keeps in files. */
  folder: string;
  databaseUrl: string;
  stop: () => Promise<void>;
};

/** Postgres with the reader's empty tables, Redis (or the one of REDIS_URL), and a configuration with secrets of its own. */
export async function startStack(redisUrl: string | undefined): Promise<Stack> {
  const redis: RedisServer | undefined = redisUrl ? undefined : await startRedis();
  const server = await startPostgres({ shared_buffers: '512MB', max_wal_size: '4GB' });
  const admin = postgres(server.url(), { max: 1, onnotice: () => {} });
  await admin.unsafe(`CREATE DATABASE ${DATABASE}`);
  await admin.end();
  const sql = postgres(server.url(DATABASE), { max: 4, onnotice: () => {} });
  await createReader(sql);
  const folder = mkdtempSync(join(tmpdir(), 'lethe-demo-'));
  sweepUp(folder);
  // Partners acknowledge there: it must be known before it listens.
  const port = String(await freePort());
  const [apiKey, canaryKey] = [secret(), secret()];
  const password = secret();
  const hash = await hashPassword(password);
  const env = {
    DATABASE_URL: server.url(DATABASE),
    REDIS_URL: redis?.url ?? (redisUrl as string),
    LETHE_REDIS_PREFIX: `{lethe-demo-${randomBytes(4).toString('hex')}}`,
    HOST: '127.0.0.1',
    PORT: port,
    LETHE_PUBLIC_URL: `http://127.0.0.1:${port}`,
    LETHE_CATALOG: 'catalog.yaml',
    LETHE_SECRET: secret(),
    LETHE_API_KEYS: `demo=admin=${sha256(apiKey)},canary=erasures:write=${sha256(canaryKey)}`,
    // What test data is asked for with.
    CANARY_API_KEY: canaryKey,
    LETHE_DASHBOARD_USERS: `ops=ops=${hash},support=support=${hash}`,
    // An hour is long to watch: here the sweep runs every five seconds.
    LETHE_SWEEP_CRON: '*/5 * * * * *',
    LETHE_MAIL: 'outbox',
    LETHE_MAIL_OUTBOX: join(folder, 'outbox'),
    LETHE_SHUTDOWN_TIMEOUT: '5s',
    LOG_LEVEL: 'info',
  };
  return {
    sql,
    postgres: server,
    env,
    apiKey,
    password,
    outbox: env.LETHE_MAIL_OUTBOX,
    folder,
    databaseUrl: env.DATABASE_URL,
    stop: async () => {
      await sql.end({ timeout: 1 });
      await Promise.all([server.destroy(), redis?.destroy()]);
    },
  };
}

/** Runs a command from the sources, as an operator would run the built one. */
export function lethe(command: string | readonly string[], env: Record<string, string>): Running {
  return start(process.execPath, ['--import', 'tsx', 'src/cli/lethe.ts', ...[command].flat()], {
    env: { PATH: process.env.PATH, ...env },
  });
}

/** Waits for the API's first line and returns its port. */
export async function waitForPort(api: Running): Promise<number> {
  const port = (output: string) => /"port":(\d+)/.exec(output)?.[1];
  await waitForOutput(api, (output) => port(output) !== undefined, 60_000, 'the API');
  return Number(port(api.output()));
}

export { stop };
