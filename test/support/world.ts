import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import postgres, { type Sql } from 'postgres';
import { inject } from 'vitest';
import { start, stop } from '../../dev/process.ts';
import { type Config, loadConfig, type Role } from '../../src/config.ts';
import type { Kinds } from '../../src/locations/kinds/registry.ts';
import { createLogger } from '../../src/logger.ts';
import { type Started, startApi, startWorker } from '../../src/main.ts';
import { closeAll, openResources, type Resources } from '../../src/resources.ts';
import { program } from './program.ts';
import { TEMPLATE } from './template.ts';

export const KEYS = { write: 'key-write', read: 'key-read', admin: 'key-admin' };
const JWT_SECRET = 'j'.repeat(40);
export const SECRET = 's'.repeat(40);
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

export type World = Awaited<ReturnType<typeof createWorld>>;
type Options = {
  env?: Record<string, string>;
  /** Catalog text instead of the reader's. */
  catalog?: string;
  /** Servers of the file's own, which it may stop. */
  postgresUrl?: string;
  redisUrl?: string;
};

/** A database, a Redis prefix, a mail outbox and a configuration of a test file's own. */
export async function createWorld(options: Options = {}) {
  const name = `t_${randomBytes(6).toString('hex')}`;
  const serverUrl = options.postgresUrl ?? inject('postgresUrl');
  const admin = postgres(serverUrl, { max: 1, onnotice: () => {} });
  await admin.unsafe(`CREATE DATABASE ${name} TEMPLATE ${TEMPLATE}`);
  await admin.end();
  const url = serverUrl.replace(/\/[^/]*$/, `/${name}`);
  const sql = postgres(url, { max: 8, onnotice: () => {}, connection: { application_name: 'test' } });
  const folder = mkdtempSync(join(tmpdir(), 'lethe-test-'));
  const catalog = join(folder, 'catalog.yaml');
  writeFileSync(catalog, options.catalog ?? READER_CATALOG);
  const env: Record<string, string> = {
    DATABASE_URL: url,
    REDIS_URL: options.redisUrl ?? inject('redisUrl'),
    LETHE_REDIS_PREFIX: `{${name}}`,
    HOST: '127.0.0.1',
    PORT: '0',
    LETHE_PUBLIC_URL: 'http://lethe.test',
    LETHE_CATALOG: catalog,
    LETHE_SECRET: SECRET,
    LETHE_API_KEYS: [
      `writer=erasures:write=${sha256(KEYS.write)}`,
      `reader=erasures:read=${sha256(KEYS.read)}`,
      `ops=admin=${sha256(KEYS.admin)}`,
    ].join(','),
    LETHE_JWT_SECRET: JWT_SECRET,
    LETHE_JWT_ISSUER: 'reader',
    LETHE_JWT_AUDIENCE: 'lethe',
    LETHE_MAIL: 'outbox',
    LETHE_MAIL_OUTBOX: join(folder, 'outbox'),
    LETHE_RECONCILE_INTERVAL: '1s',
    LETHE_RATE_LIMIT: '0',
    LETHE_SHUTDOWN_TIMEOUT: '5s',
    LOG_LEVEL: process.env.TEST_LOG_LEVEL ?? 'silent',
    ...options.env,
  };
  const running: Started[] = [];
  const processes: ReturnType<typeof start>[] = [];
  const opened: Resources[] = [];
  const config = (role: Role, more: Record<string, string> = {}): Config => loadConfig(role, { ...env, ...more });

  return {
    sql,
    env,
    url,
    folder,
    outbox: env.LETHE_MAIL_OUTBOX as string,
    config,
    /** An API in this process; returns a fetch that is bound to it. */
    api: async (more: Record<string, string> = {}) => {
      const api = await startApi(config('api', more));
      running.push(api);
      return caller(`http://127.0.0.1:${api.port}`);
    },
    /** A worker in this process. */
    worker: async (more: Record<string, string> = {}): Promise<Started> => {
      const worker = await startWorker(config('worker', more));
      running.push(worker);
      return worker;
    },
    /** A real process of the command line, for tests that kill it. */
    spawn: (args: string[], more: Record<string, string> = {}) => {
      const child = start(process.execPath, [program('src/cli/lethe.ts'), ...args], {
        env: {
          PATH: process.env.PATH,
          LOG_LEVEL: 'info',
          ...env,
          ...(env.LOG_LEVEL === 'silent' ? { LOG_LEVEL: 'info' } : {}),
          ...more,
        },
      });
      processes.push(child);
      return child;
    },
    /** The domain without jobs: its verbs are called by the test. */
    domain: async (more: Record<string, string> = {}, kinds?: Kinds): Promise<Resources> => {
      const loaded = config('worker', more);
      const resources = await openResources(
        loaded,
        createLogger(loaded.LOG_LEVEL, 'test'),
        { max: 8, name: 'domain' },
        kinds,
      );
      opened.push(resources);
      return resources;
    },
    close: async () => {
      await Promise.all(processes.map((p) => stop(p, 'SIGKILL')));
      await Promise.all(running.map((r) => r.stop()));
      for (const r of opened) await closeAll(r.closables, r.ctx.log);
      await sql.end({ timeout: 1 });
      const last = postgres(serverUrl, { max: 1, onnotice: () => {} });
      await last.unsafe(`DROP DATABASE ${name} WITH (FORCE)`).catch(() => {});
      await last.end({ timeout: 1 });
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export const READER_CATALOG = `
account: { table: accounts, key: id, email: email, flag: erasure_requested_at, created: created_at, threshold: 1000 }
locations:
  - { table: sessions, account: account_id, at: request, owner: identity }
  - { table: posts, account: account_id, owner: reader, sla: 24h }
  - { table: feeds, account: account_id, owner: reader }
`;

export type Answer = { status: number; headers: Headers; body: Record<string, unknown> };
export type Call = (
  method: string,
  path: string,
  options?: { auth?: string | null; body?: unknown; raw?: string; headers?: Record<string, string> },
) => Promise<Answer>;

function caller(base: string): Call & { base: string } {
  const call: Call = async (method, path, { auth = `Bearer ${KEYS.write}`, body, raw, headers = {} } = {}) => {
    const response = await fetch(base + path, {
      method,
      headers: {
        ...(auth ? { Authorization: auth } : {}),
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...headers,
      },
      body: raw ?? (body === undefined ? null : JSON.stringify(body)),
      redirect: 'manual',
    });
    const text = await response.text();
    const json = /json/.test(response.headers.get('content-type') ?? '');
    return { status: response.status, headers: response.headers, body: json ? JSON.parse(text) : { text } };
  };
  return Object.assign(call, { base });
}

type Claims = {
  sub: string;
  authTime?: number | null;
  iss?: string;
  aud?: string;
  exp?: number;
  alg?: string;
  secret?: string;
};

/** A bearer JWT as the application would sign it; every claim can be made wrong. */
export async function jwt({
  sub,
  authTime = Date.now() / 1000,
  iss = 'reader',
  aud = 'lethe',
  exp = Date.now() / 1000 + 300,
  alg = 'HS256',
  secret = JWT_SECRET,
}: Claims): Promise<string> {
  const claims = authTime === null ? {} : { auth_time: Math.floor(authTime) };
  const token = await new SignJWT(claims)
    .setProtectedHeader({ alg })
    .setSubject(sub)
    .setIssuer(iss)
    .setAudience(aud)
    .setIssuedAt()
    .setExpirationTime(Math.floor(exp))
    .sign(new TextEncoder().encode(secret));
  return `Bearer ${token}`;
}

export type { Sql };
