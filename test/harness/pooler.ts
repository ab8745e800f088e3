import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../dev/free-port.ts';
import { type Running, start, stop, waitForOutput } from '../../dev/process.ts';
import { sweepUp } from '../../dev/reaper.ts';

export type Pooler = { port: number; pid: () => number; restart: () => Promise<void>; close: () => Promise<void> };

/** PgBouncer in transaction mode in front of the server at `port`, for `postgres` and further `roles` with its password. */
export async function startPooler(port: number, roles: readonly string[] = []): Promise<Pooler> {
  const folder = mkdtempSync(join(tmpdir(), 'lethe-pooler-'));
  sweepUp(folder);
  chmodSync(folder, 0o755);
  const users = join(folder, 'users.txt');
  writeFileSync(users, ['postgres', ...roles].map((role) => `"${role}" "reader"\n`).join(''));
  const own = await freePort();
  const settings = join(folder, 'pgbouncer.ini');
  writeFileSync(
    settings,
    [
      '[databases]',
      `* = host=127.0.0.1 port=${port}`,
      '[pgbouncer]',
      'listen_addr = 127.0.0.1',
      `listen_port = ${own}`,
      'unix_socket_dir =',
      'auth_type = scram-sha-256',
      `auth_file = ${users}`,
      'pool_mode = transaction',
      'max_client_conn = 500',
      'default_pool_size = 40',
      // The server comes back within seconds, and so must its sessions.
      'server_login_retry = 0.5',
      'server_connect_timeout = 2',
      '',
    ].join('\n'),
  );
  const id = (flag: string) => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }));
  // It refuses to run as root.
  const account = process.getuid?.() === 0 ? { uid: id('-u'), gid: id('-g') } : {};
  let running: Running;
  const launch = async () => {
    running = start('pgbouncer', [settings], account);
    await waitForOutput(running, (output) => output.includes('process up'), 10_000, 'PgBouncer');
  };
  await launch();
  return {
    port: own,
    pid: () => running.pid,
    restart: async () => {
      await stop(running, 'SIGKILL');
      await launch();
    },
    close: async () => {
      await stop(running, 'SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
