import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Running, start, stop } from '../../dev/process.ts';
import { healthcheck } from '../support/dockerfile.ts';
import { until } from '../support/until.ts';
import { createWorld, KEYS, type World } from '../support/world.ts';

const run = promisify(execFile);
const MINUTES = 60_000;

/** What the image's last stage holds, made the way the Dockerfile makes it. */
let app: string;
let world: World;
const running: Running[] = [];

beforeAll(async () => {
  world = await createWorld();
  app = mkdtempSync(join(tmpdir(), 'lethe-install-'));
  for (const path of ['package.json', 'package-lock.json', 'scripts', 'drizzle', 'catalog.yaml', 'LICENSE'])
    cpSync(path, join(app, path), { recursive: true });
  const install = [
    'ci',
    '--omit=dev',
    '--omit=optional',
    '--ignore-scripts',
    '--prefer-offline',
    '--no-audit',
    '--no-fund',
  ];
  await Promise.all([
    run('npm', install, { cwd: app, timeout: 2 * MINUTES }),
    run(process.execPath, [
      'node_modules/typescript/bin/tsc',
      '-p',
      'tsconfig.build.json',
      '--outDir',
      join(app, 'dist'),
    ]),
  ]);
  await run(process.execPath, ['scripts/patch-postgres.mjs'], { cwd: app });
  await run(process.execPath, ['scripts/copy-assets.mjs', join(app, 'dist')]);
}, 4 * MINUTES);

afterAll(async () => {
  await Promise.all(running.map((process) => stop(process, 'SIGKILL')));
  await world.close();
  rmSync(app, { recursive: true, force: true });
});

/** A command of the installed copy, with only what the image sets and the test's options. */
function lethe(...args: string[]): Running {
  const env = {
    PATH: process.env.PATH,
    NODE_ENV: 'production',
    ...world.env,
    LETHE_CATALOG: 'catalog.yaml',
    LOG_LEVEL: 'info',
    LETHE_METRICS_PORT: '0',
  };
  const process_ = start(process.execPath, ['dist/cli/lethe.js', ...args], { cwd: app, env });
  running.push(process_);
  return process_;
}
const finished = async (command: Running) => ({ code: await command.exited, output: command.output() });
const portOf = (role: Running, name: string) =>
  until(`${name} is logged`, () => Number(new RegExp(`"${name}":(\\d+)`).exec(role.output())?.[1]) || undefined);
const status = async (port: number, path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).status;

describe('an installation without development dependencies', () => {
  it('holds no development dependency, and the patched driver', () => {
    const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
      packages: Record<string, { dev?: boolean }>;
    };
    const development = Object.entries(lock.packages).filter(([path, entry]) => path !== '' && entry.dev);
    expect(development.length).toBeGreaterThan(20);
    for (const [path] of development) expect(existsSync(join(app, path)), path).toBe(false);
    const { devDependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      devDependencies: Record<string, string>;
    };
    for (const name of Object.keys(devDependencies))
      expect(existsSync(join(app, 'node_modules', name)), name).toBe(false);
    expect(existsSync(join(app, 'node_modules/hono/package.json'))).toBe(true);
    for (const file of ['src', 'cjs/src'])
      expect(readFileSync(join(app, 'node_modules/postgres', file, 'connection.js'), 'utf8')).toContain(
        'lethe: guarded',
      );
    expect(existsSync(join(app, 'dist/dev'))).toBe(false);
  });

  it('says its version', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect(await finished(lethe('--version'))).toEqual({ code: 0, output: `${version}\n` });
  });

  it(
    'migrates, serves the API, works, and answers the image’s health check for both',
    async () => {
      // As docker-compose.yml's bundled database is: the sample's tables, described by the catalog of the image.
      await world.sql.unsafe('DROP SCHEMA lethe, lethe_migrations, public CASCADE; CREATE SCHEMA public');
      await world.sql.unsafe(readFileSync('ops/sample-application.sql', 'utf8'));
      const migrated = await finished(lethe('migrate'));
      expect(migrated).toEqual({ code: 0, output: expect.stringMatching(/^lethe: \d+ migration\(s\) applied\n$/) });
      const [api, worker] = [lethe('api'), lethe('worker')];
      const port = await portOf(api, 'port');
      await until('the API is ready', async () => (await status(port, '/readyz')) === 200);
      expect(await status(port, '/healthz')).toBe(200);
      for (const role of [api, worker]) {
        const metricsPort = await portOf(role, 'metricsPort');
        await until('it is ready', async () => (await status(metricsPort, '/readyz')) === 200);
        expect(await status(metricsPort, '/metrics')).toBe(200);
        expect(await check({ LETHE_METRICS_PORT: String(metricsPort) })).toBe(0);
      }
      expect(await check({ PORT: String(port) })).toBe(0);
      const erased = await fetch(`http://127.0.0.1:${port}/v1/accounts/1/erasure`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${KEYS.write}`, 'Content-Type': 'application/json' },
        body: '{}',
      });
      expect(await erased.json()).toMatchObject({ state: 'completed' });
      api.child.kill('SIGTERM');
      worker.child.kill('SIGTERM');
      expect([await api.exited, await worker.exited]).toEqual([0, 0]);
      expect(await check({ PORT: String(port) })).toBe(1);
    },
    MINUTES,
  );
});

describe('the packed product, installed elsewhere', () => {
  it(
    'refuses a driver without its guards, says in one line what to do, and works once that is done',
    async () => {
      const elsewhere = mkdtempSync(join(tmpdir(), 'lethe-packed-'));
      try {
        const { stdout } = await run('npm', ['pack', '--ignore-scripts', '--pack-destination', elsewhere], {
          cwd: app,
        });
        const options = ['--omit=optional', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund'];
        await run('npm', ['init', '--yes'], { cwd: elsewhere });
        await run('npm', ['install', `./${stdout.trim()}`, ...options], { cwd: elsewhere, timeout: 2 * MINUTES });
        const env = { PATH: process.env.PATH, ...world.env };
        const command = async (...args: string[]) => {
          const started = start(process.execPath, ['node_modules/lethe/dist/cli/lethe.js', ...args], {
            cwd: elsewhere,
            env,
          });
          running.push(started);
          return finished(started);
        };
        for (const role of ['migrate', 'api', 'worker']) {
          const refused = await command(role);
          expect(refused.code, refused.output).toBe(2);
          expect(refused.output).toMatch(
            /^lethe: the Postgres driver is installed without its guards: run node \/\S+\n$/,
          );
        }
        const [, script = ''] = /run node (\S+)/.exec((await command('migrate')).output) ?? [];
        await run(process.execPath, [script]);
        expect((await command('migrate')).code).toBe(0);
        const again = await run(process.execPath, [script]);
        expect(again).toEqual({ stdout: '', stderr: '' });
      } finally {
        rmSync(elsewhere, { recursive: true, force: true });
      }
    },
    4 * MINUTES,
  );
});

async function check(env: Record<string, string>): Promise<number | null> {
  const [command, ...args] = healthcheck();
  expect(command).toBe('node');
  const probe = start(process.execPath, args, { env: { PATH: process.env.PATH, ...env } });
  running.push(probe);
  return probe.exited;
}
