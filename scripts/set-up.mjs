// Brings a fresh machine (Node and git only) to where the demo and the tests can run. Plain Node, no dependencies.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const stamp = `${root}node_modules/.lethe-installed`;

/** Ends with one line that says what to do. */
function fail(message) {
  process.stderr.write(`lethe: ${message}\n`);
  process.exit(1);
}

const works = (command, ...args) => spawnSync(command, args, { stdio: 'ignore' }).status === 0;

/** `npm ci` when node_modules is missing or belongs to another lock file. */
export function installPackages() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19))
    fail(`Node 20.19 or newer is needed, this is ${process.versions.node}`);
  const lock = createHash('sha256')
    .update(readFileSync(`${root}package-lock.json`))
    .update(process.version)
    .digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  process.stderr.write('lethe: installing packages (npm ci)\n');
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const done = spawnSync(npm, ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (done.status !== 0) fail('npm ci failed; its output is above');
  writeFileSync(stamp, lock);
}

/** How each package manager installs Redis; the first that is there is used. */
const MANAGERS = [
  [
    'apt-get',
    [
      ['apt-get', 'update', '-qq'],
      ['apt-get', 'install', '-y', '-qq', '--no-install-recommends', 'redis-server'],
    ],
  ],
  ['dnf', [['dnf', 'install', '-y', '-q', 'valkey']]],
  ['apk', [['apk', 'add', '--quiet', 'valkey']]],
  ['pacman', [['pacman', '-Sy', '--noconfirm', 'valkey']]],
  ['zypper', [['zypper', '--quiet', 'install', '-y', 'valkey']]],
  ['brew', [['brew', 'install', '--quiet', 'redis']]],
];

/** A Redis binary on the PATH, installed with the machine's package manager when it is missing. */
export function installRedis() {
  const found = () => works('redis-server', '--version') || works('valkey-server', '--version');
  if (found()) return;
  const ways = 'install redis-server or valkey-server, or set REDIS_URL for the demo';
  if (process.env.LETHE_NO_INSTALL === '1')
    fail(`no Redis on the PATH, and LETHE_NO_INSTALL=1 forbids to install one: ${ways}`);
  const manager = MANAGERS.find(([command]) => works(command, '--version'));
  if (!manager) fail(`no Redis on the PATH and no known package manager: ${ways}`);
  const [name, steps] = manager;
  // Homebrew refuses to run as root; the others need it.
  const sudo = name !== 'brew' && process.getuid?.() !== 0 ? ['sudo', '-n'] : [];
  process.stderr.write(
    `lethe: no Redis on the PATH, installing it with ${[...sudo, ...steps.at(-1)].join(' ')} (LETHE_NO_INSTALL=1 refuses)\n`,
  );
  for (const step of steps) {
    const [command, ...args] = [...sudo, ...step];
    // Without a started service: the demo and the tests start their own, on a free port.
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
    spawnSync(command, args, { env, stdio: ['ignore', 'ignore', 'inherit'] });
  }
  if (!found()) fail(`Redis could not be installed: ${ways}`);
}

/** Runs a command of this project and returns its exit code; Ctrl-C is the command's to handle. */
export function run(command, args) {
  process.on('SIGINT', () => {});
  const done = spawnSync(process.execPath, [command, ...args], { cwd: root, stdio: 'inherit' });
  return done.status ?? 1;
}

export const bin = (path) => `${root}node_modules/${path}`;
