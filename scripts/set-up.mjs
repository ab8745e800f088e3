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

/** How each package manager installs a package; the first that is there is used. */
const MANAGERS = {
  'apt-get': (name) => [
    ['apt-get', 'update', '-qq'],
    ['apt-get', 'install', '-y', '-qq', '--no-install-recommends', name],
  ],
  dnf: (name) => [['dnf', 'install', '-y', '-q', name]],
  apk: (name) => [['apk', 'add', '--quiet', name]],
  pacman: (name) => [['pacman', '-Sy', '--noconfirm', name]],
  zypper: (name) => [['zypper', '--quiet', 'install', '-y', name]],
  brew: (name) => [['brew', 'install', '--quiet', ...name.split(' ')]],
};

/**
 * Installs a program with the machine's package manager unless one of its `commands` is there. `packages`:
 * its name for each manager, `otherwise` for the rest. `ways`: what somebody can do about it. What is `optional`
 * may stay away: whoever uses it says so. `services`: what its package starts, and nobody needs.
 */
function installProgram({ what, commands, packages, ways, optional = false, services = [] }) {
  const found = () => commands.some((command) => works(command, '--version'));
  if (found()) return;
  if (optional && (process.env.LETHE_NO_INSTALL === '1' || !Object.keys(MANAGERS).some((m) => works(m, '--version'))))
    return;
  if (process.env.LETHE_NO_INSTALL === '1')
    fail(`no ${what} on the PATH, and LETHE_NO_INSTALL=1 forbids to install one: ${ways}`);
  const manager = Object.keys(MANAGERS).find((command) => works(command, '--version'));
  if (!manager) fail(`no ${what} on the PATH and no known package manager: ${ways}`);
  const steps = MANAGERS[manager](packages[manager] ?? packages.otherwise);
  // Homebrew refuses to run as root; the others need it.
  const sudo = manager !== 'brew' && process.getuid?.() !== 0 ? ['sudo', '-n'] : [];
  process.stderr.write(
    `lethe: no ${what} on the PATH, installing it with ${[...sudo, ...steps.at(-1)].join(' ')} (LETHE_NO_INSTALL=1 refuses)\n`,
  );
  for (const step of steps) {
    const [command, ...args] = [...sudo, ...step];
    // Without a started service: the demo and the tests start their own, on a free port.
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
    spawnSync(command, args, { env, stdio: ['ignore', 'ignore', optional ? 'ignore' : 'inherit'] });
  }
  stopServices(sudo, services);
  if (!found() && !optional) fail(`${what} could not be installed: ${ways}`);
}

/** Under systemd a package starts its services, whatever the environment says. These came a moment ago: nobody uses them. */
function stopServices(sudo, services) {
  if (services.length === 0 || !existsSync('/run/systemd/system')) return;
  const [command, ...args] = [...sudo, 'systemctl', 'disable', '--now', ...services];
  spawnSync(command, args, { stdio: 'ignore' });
}

/** A Redis binary on the PATH, installed with the machine's package manager when it is missing. */
export function installRedis() {
  installProgram({
    what: 'Redis',
    commands: ['redis-server', 'valkey-server'],
    packages: { 'apt-get': 'redis-server', brew: 'redis', otherwise: 'valkey' },
    ways: 'install redis-server or valkey-server, or set REDIS_URL for the demo',
  });
}

/** PgBouncer for the fault harness, which goes on without it where it cannot be had. */
export function installPgbouncer() {
  installProgram({
    what: 'PgBouncer',
    commands: ['pgbouncer'],
    packages: { otherwise: 'pgbouncer' },
    ways: 'install pgbouncer',
    optional: true,
  });
}

/** RabbitMQ for the tests of AMQP. The servers that they start are their own. */
export function installRabbit() {
  installProgram({
    what: 'RabbitMQ',
    commands: ['/usr/lib/rabbitmq/bin', '/opt/homebrew/opt/rabbitmq/sbin', '/usr/local/opt/rabbitmq/sbin'].map(
      (folder) => `${folder}/rabbitmqctl`,
    ),
    packages: { brew: 'rabbitmq', otherwise: 'rabbitmq-server' },
    ways: 'install rabbitmq-server',
  });
}

/** promtool and amtool, which read the rules and routes that `lethe alerts` prints. Their servers are not needed. */
export function installPromtool() {
  installProgram({
    what: 'promtool',
    commands: ['promtool'],
    packages: {
      dnf: 'golang-github-prometheus',
      zypper: 'golang-github-prometheus-prometheus',
      otherwise: 'prometheus',
    },
    ways: 'install promtool, which comes with Prometheus',
    services: ['prometheus'],
  });
  installProgram({
    what: 'amtool',
    commands: ['amtool'],
    packages: {
      'apt-get': 'prometheus-alertmanager',
      dnf: 'golang-github-prometheus-alertmanager',
      zypper: 'golang-github-prometheus-alertmanager',
      otherwise: 'alertmanager',
    },
    ways: 'install amtool, which comes with Alertmanager',
    services: ['prometheus-alertmanager'],
  });
}

/** A Chromium for the tests of what people see, on the PATH or where LETHE_CHROMIUM says. */
export function installChromium() {
  const { LETHE_CHROMIUM } = process.env;
  if (LETHE_CHROMIUM && !works(LETHE_CHROMIUM, '--version')) fail(`LETHE_CHROMIUM: ${LETHE_CHROMIUM} does not run`);
  installProgram({
    what: 'Chromium',
    commands: LETHE_CHROMIUM
      ? [LETHE_CHROMIUM]
      : ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'],
    packages: { brew: '--cask chromium', otherwise: 'chromium' },
    ways: 'install chromium, or set LETHE_CHROMIUM to the command of one',
  });
}

/** Runs a command of this project and returns its exit code; Ctrl-C is the command's to handle. */
export function run(command, args) {
  process.on('SIGINT', () => {});
  const done = spawnSync(process.execPath, [command, ...args], { cwd: root, stdio: 'inherit' });
  return done.status ?? 1;
}

export const bin = (path) => `${root}node_modules/${path}`;
