import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from './free-port.ts';
import { type Running, start, stop, waitForOutput } from './process.ts';
import { sweepUp } from './reaper.ts';

export type RabbitServer = {
  url: string;
  pid: () => number;
  /** Runs `rabbitmqctl`; gives what it prints. */
  ctl: (...args: string[]) => Promise<string>;
  /** Durable queues keep their messages. */
  stop: (signal?: NodeJS.Signals) => Promise<void>;
  start: () => Promise<void>;
  destroy: () => Promise<void>;
};

/** Where the scripts themselves are: those that Debian puts on the PATH change the user and the folder. */
const FOLDERS = ['/usr/lib/rabbitmq/bin', '/opt/homebrew/opt/rabbitmq/sbin', '/usr/local/opt/rabbitmq/sbin'];

/** The folder with RabbitMQ's scripts, or null where there is none. */
export const findRabbit = (): string | null =>
  FOLDERS.find((folder) => existsSync(join(folder, 'rabbitmq-server'))) ?? null;

/**
 * Starts a RabbitMQ of its own on free ports of loopback, with everything that it writes in a folder of its own. It needs
 * about 20 seconds. Its name server (epmd), which Erlang would leave behind as a daemon, is ours, too.
 */
export async function startRabbit(): Promise<RabbitServer> {
  const scripts = findRabbit();
  if (!scripts) throw new Error('no rabbitmq-server: apt-get install rabbitmq-server');
  const folder = mkdtempSync(join(tmpdir(), 'lethe-rabbit-'));
  sweepUp(folder);
  const [port, distribution, names] = [await freePort(), await freePort(), await freePort()];
  const env = {
    PATH: process.env.PATH,
    LANG: 'C.UTF-8',
    HOME: folder,
    ERL_EPMD_PORT: String(names),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    RABBITMQ_NODENAME: `lethe${port}@localhost`,
    RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
    RABBITMQ_NODE_PORT: String(port),
    RABBITMQ_DIST_PORT: String(distribution),
    RABBITMQ_MNESIA_BASE: join(folder, 'data'),
    RABBITMQ_LOG_BASE: join(folder, 'log'),
    RABBITMQ_LOGS: '-',
    RABBITMQ_PID_FILE: join(folder, 'pid'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, 'plugins'),
    RABBITMQ_CONF_ENV_FILE: join(folder, 'none.conf'),
    RABBITMQ_CONFIG_FILE: join(folder, 'none'),
    // The Erlang machine takes a scheduler a processor; two are plenty.
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '+S 2:2',
    // The server itself is our child then, and no script between: a signal reaches it.
    RUNNING_UNDER_SYSTEMD: 'true',
    ERL_CRASH_DUMP_SECONDS: '0',
  };
  const epmd = start('epmd', ['-address', '127.0.0.1', '-port', String(names)], { env });
  let running: Running | undefined;
  const launch = async () => {
    running = start(join(scripts, 'rabbitmq-server'), [], { env, cwd: folder });
    await waitForOutput(running, (o) => /Server startup complete/i.test(o), 120_000, 'RabbitMQ');
  };
  const halt = async (signal: NodeJS.Signals = 'SIGTERM') => {
    if (running) await stop(running, signal);
  };
  await launch();
  return {
    url: `amqp://guest:guest@127.0.0.1:${port}`,
    pid: () => running?.pid ?? -1,
    ctl: async (...args) =>
      (await promisify(execFile)(join(scripts, 'rabbitmqctl'), ['--quiet', ...args], { env })).stdout,
    stop: halt,
    start: launch,
    destroy: async () => {
      await halt();
      await stop(epmd);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
