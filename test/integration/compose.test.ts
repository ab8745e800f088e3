import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type PostgresServer, startPostgres } from '../../dev/postgres.ts';
import { type Running, start, stop } from '../../dev/process.ts';
import { type RedisServer, startRedis } from '../../dev/redis.ts';
import { program } from '../support/program.ts';
import { until } from '../support/until.ts';
import { createWorld, KEYS, type World } from '../support/world.ts';

type Service = { command: string[]; environment?: Record<string, string>; volumes?: string[] };
const { services } = parse(readFileSync('docker-compose.yml', 'utf8'), { merge: true }) as {
  services: Record<'migrate' | 'api' | 'worker' | 'postgres' | 'redis', Service>;
};

/** What somebody would have filled in. */
const DOTENV: Record<string, string> = {
  POSTGRES_PASSWORD: 'a1',
  DATABASE_PASSWORD: 'b2',
  REDIS_PASSWORD: 'c3',
  LETHE_MAIL: 'outbox',
  RESEND_API_KEY: 'the mail provider’s',
};
let server: PostgresServer;
let redis: RedisServer;
let world: World;
const running: Running[] = [];

/** A value as compose gives it to the container. */
const filled = (value: string): string =>
  value.replace(/\$\{(\w+):([-?])([^}]*)\}/g, (_, name: string, kind: string, text: string) => {
    const given = DOTENV[name] ?? '';
    if (given === '' && kind === '?') throw new Error(text);
    return given || (kind === '-' ? text : '');
  });

/** A process with exactly the variables of its container, but for the addresses, files and ports of this machine. */
function run(name: 'migrate' | 'api' | 'worker'): Running {
  const env: Record<string, string> = { PATH: process.env.PATH as string };
  for (const [variable, value] of Object.entries(services[name].environment ?? {})) env[variable] = filled(value);
  const here: Record<string, string> = {
    DATABASE_URL: String(env.DATABASE_URL).replace('@postgres:5432/', `@${new URL(server.url()).host}/`),
    REDIS_URL: String(env.REDIS_URL).replace('@redis:6379', `@${new URL(redis.url).host}`),
    LETHE_CATALOG: 'catalog.yaml',
    LETHE_MAIL_OUTBOX: world.outbox,
    HOST: '127.0.0.1',
    PORT: '0',
    LETHE_METRICS_PORT: '0',
    LOG_LEVEL: 'info',
  };
  for (const [variable, value] of Object.entries(here)) if (variable in env) env[variable] = value;
  const child = start(process.execPath, [program('src/cli/lethe.ts'), ...services[name].command], { env });
  running.push(child);
  return child;
}

beforeAll(async () => {
  const flags = services.redis.command.slice(1).map(filled);
  world = await createWorld();
  DOTENV.LETHE_SECRET = world.env.LETHE_SECRET as string;
  DOTENV.LETHE_API_KEYS = world.env.LETHE_API_KEYS as string;
  [server, redis] = await Promise.all([startPostgres(), startRedis({ more: flags })]);
  const admin = postgres(server.url(), { max: 1 });
  await admin.unsafe('CREATE DATABASE app');
  await admin.end();
  const app = postgres(server.url('app'), { max: 1, onnotice: () => {} });
  const mounted = (services.postgres.volumes ?? [])
    .map((volume) => volume.split(':') as [string, string])
    .filter(([, target]) => target.startsWith('/docker-entrypoint-initdb.d/'))
    .sort(([, a], [, b]) => a.localeCompare(b));
  for (const [source] of mounted) await app.unsafe(asPsql(readFileSync(source, 'utf8'))).simple();
  await app.end();
}, 120_000);
afterAll(async () => {
  await Promise.all(running.map((process) => stop(process, 'SIGKILL')));
  await Promise.all([server?.destroy(), redis?.destroy(), world?.close()]);
});

/** What psql makes of a file: it reads a variable of the container, and quotes it where it is used. */
function asPsql(text: string): string {
  const variables: Record<string, string> = {};
  const { environment = {} } = services.postgres;
  const rest = text.replace(/^\\getenv (\w+) (\w+)$/gm, (_, name: string, variable: string) => {
    variables[name] = filled(environment[variable] as string);
    return '';
  });
  return rest.replace(/:'(\w+)'/g, (_, name: string) => `'${variables[name]}'`);
}

/** To whom mails were written. */
const recipients = (outbox: string): string[] =>
  (existsSync(outbox) ? readdirSync(outbox) : [])
    .filter((file) => file.endsWith('.json'))
    .map((file) => JSON.parse(readFileSync(join(outbox, file), 'utf8')).to);

describe('docker-compose.yml', () => {
  it('starts and erases with what each container is given, as a role without special rights', async () => {
    const migrate = run('migrate');
    expect(await migrate.exited, migrate.output()).toBe(0);
    const api = run('api');
    const worker = run('worker');
    const port = await until('the API listens', () => /"port":(\d+)/.exec(api.output())?.[1], 60_000);
    await until('the worker works', () => worker.output().includes('"working"'), 60_000);
    const answer = await fetch(`http://127.0.0.1:${port}/v1/accounts/1/erasure`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${KEYS.write}` },
    });
    expect([answer.status, ((await answer.json()) as { state: string }).state]).toEqual([200, 'completed']);
    const large = await fetch(`http://127.0.0.1:${port}/v1/accounts/2/erasure`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${KEYS.write}` },
    });
    const { id } = (await large.json()) as { id: string };
    await fetch(`http://127.0.0.1:${port}/v1/erasures/${id}/start`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${KEYS.write}` },
    });
    const app = postgres(server.url('app'), { max: 1 });
    try {
      await until('both are erased', async () => {
        const [left] = await app`SELECT (SELECT count(*)::int FROM accounts) + (SELECT count(*)::int FROM posts) AS n`;
        return left?.n === 0;
      });
      await until('both are mailed', () => {
        const mailed = recipients(world.outbox);
        return ['small@example.com', 'large@example.com'].every((to) => mailed.includes(to));
      });
      const roles =
        await app`SELECT DISTINCT usename AS name FROM pg_stat_activity WHERE application_name LIKE 'lethe-%'`;
      expect(roles.map((r) => r.name)).toEqual(['lethe']);
      const [rights] = await app`
        SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls OR rolreplication AS special FROM pg_roles WHERE rolname = 'lethe'`;
      expect(rights?.special).toBe(false);
      const owners = await app`
        SELECT DISTINCT tableowner AS name FROM pg_tables JOIN pg_roles ON rolname = tableowner AND rolsuper
         WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`;
      expect(owners).toEqual([]);
    } finally {
      await app.end();
    }
    // Every signal can be seen, and nothing is missing: a warning would say so.
    expect(worker.output()).not.toContain('"level":50');
    expect(`${api.output()}${worker.output()}`).not.toContain('pg_monitor');
  }, 180_000);

  it('has a Redis that answers nobody without the password', async () => {
    const { port, hostname } = new URL(redis.url);
    const socket = connect(Number(port), hostname);
    let answers = '';
    socket.setEncoding('utf8').on('data', (text) => {
      answers += text;
    });
    socket.write('KEYS *\r\nFLUSHALL\r\nQUIT\r\n');
    await once(socket, 'close');
    expect(answers.match(/^-NOAUTH/gm)?.length).toBe(2);
  });
});
