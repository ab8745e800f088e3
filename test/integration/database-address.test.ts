import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type PostgresServer, startPostgres } from '../../dev/postgres.ts';
import { connect } from '../../src/store/client.ts';
import { sqlState } from '../../src/store/sql-errors.ts';
import { CERTIFICATE } from '../support/redis-tls.ts';

/** Every character that ends a part of a URL. */
const PASSWORD = 'p%2F/@:?#&=+ ü';
let server: PostgresServer;
let port: string;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lethe-tls-'));
  chmodSync(folder, 0o755);
  const key = join(folder, 'key.pem');
  copyFileSync(join(dirname(CERTIFICATE), 'key.pem'), key);
  const certificate = join(folder, 'certificate.pem');
  copyFileSync(CERTIFICATE, certificate);
  chmodSync(certificate, 0o644);
  if (process.getuid?.() === 0) {
    const id = (flag: string) => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }));
    chownSync(key, id('-u'), id('-g'));
  }
  chmodSync(key, 0o600);
  const tls = { ssl: 'on', ssl_cert_file: certificate, ssl_key_file: key };
  server = await startPostgres({ ...tls, listen_addresses: '127.0.0.1,::1', fsync: 'off' });
  port = new URL(server.url()).port;
  const { db, close } = connect(server.url(), { max: 1, applicationName: 'address' });
  await db.execute(sql.raw(`CREATE ROLE "o'dd" LOGIN PASSWORD '${PASSWORD}'`));
  await close();
});
afterAll(async () => {
  await server.destroy();
  rmSync(folder, { recursive: true, force: true });
});

type Session = {
  encrypted: boolean;
  address: string | null;
  user: string;
  database: string;
  name: string;
  memory: string;
};

/** The session that an address leads to, as the server sees it. */
async function session(url: string): Promise<Session> {
  const { db, close } = connect(url, { max: 1, applicationName: 'address' });
  try {
    const [row] = await db.execute<Session>(sql`
      SELECT s.ssl AS encrypted, host(a.client_addr) AS address, current_user AS user, current_database() AS database,
             a.application_name AS name, current_setting('work_mem') AS memory
        FROM pg_stat_activity a JOIN pg_stat_ssl s USING (pid) WHERE pid = pg_backend_pid()`);
    return row as Session;
  } finally {
    await close();
  }
}
const at = (host: string, query: string) => `postgres://postgres:reader@${host}:${port}/postgres?${query}`;

describe('DATABASE_URL', () => {
  it.each<[string, string, boolean]>([
    ['127.0.0.1', '', false],
    ['127.0.0.1', 'sslmode=disable', false],
    ['127.0.0.1', 'sslmode=allow', true],
    ['127.0.0.1', 'sslmode=prefer', true],
    ['127.0.0.1', 'sslmode=require', true],
    ['127.0.0.1', `sslmode=require&sslrootcert=${CERTIFICATE}`, true],
    ['127.0.0.1', `sslmode=verify-ca&sslrootcert=${CERTIFICATE}`, true],
    ['localhost', `sslmode=verify-full&sslrootcert=${CERTIFICATE}`, true],
    ['[::1]', 'sslmode=require', true],
    ['[::1]', '', false],
    ['127.0.0.1', 'schema=public&pgbouncer=true&connection_limit=1', false],
    ['127.0.0.1', 'sslmode=require&channel_binding=require', true],
    ['127.0.0.1', 'target_session_attrs=read-write&connect_timeout=10&gssencmode=disable', false],
  ])('leads from %s?%s to a session, encrypted: %s', async (host, query, encrypted) => {
    expect(await session(at(host, query))).toMatchObject({ encrypted, database: 'postgres', name: 'address' });
  });

  it.each([
    ['127.0.0.1', 'sslmode=verify-ca', 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    ['localhost', 'sslmode=verify-full', 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    ['[::1]', `sslmode=verify-full&sslrootcert=${CERTIFICATE}`, 'ERR_TLS_CERT_ALTNAME_INVALID'],
  ])('refuses a certificate that %s?%s does not allow', async (host, query, code) => {
    const error = await session(at(host, query)).then(
      () => undefined,
      (e: unknown) => e,
    );
    expect(sqlState(error)).toBe(code);
  });

  it('leads through a socket, however it is written', async () => {
    const sockets = dirname(server.data);
    for (const url of [
      `postgres://postgres:reader@/postgres?host=${sockets}&port=${port}`,
      `postgres://postgres:reader@${encodeURIComponent(sockets)}:${port}/postgres?sslmode=require`,
    ])
      expect(await session(url)).toMatchObject({ encrypted: false, address: null, database: 'postgres' });
  });

  it('takes user, password and options with any character, and keeps the name of Lethe’s sessions', async () => {
    const user = encodeURIComponent("o'dd");
    const password = encodeURIComponent(PASSWORD);
    const rest = `options=${encodeURIComponent('-c work_mem=3MB')}&application_name=other`;
    const whole = { user: "o'dd", database: 'postgres', memory: '3MB', name: 'address' };
    expect(await session(`postgres://${user}:${password}@127.0.0.1:${port}/postgres?${rest}`)).toMatchObject(whole);
    const query = `user=${user}&password=${password}&dbname=postgres&${rest}`;
    expect(await session(`postgres://127.0.0.1:${port}?${query}`)).toMatchObject(whole);
  });
});
