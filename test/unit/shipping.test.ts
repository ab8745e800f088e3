import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import ms, { type StringValue } from 'ms';
import { afterAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { migrateCommand } from '../../src/cli/migrate.ts';
import { passwordCommand } from '../../src/cli/password.ts';
import { apiCommand, workerCommand } from '../../src/cli/serve.ts';
import { loadConfig, VARIABLES } from '../../src/config.ts';
import { lastOf, stages } from '../support/dockerfile.ts';

type Service = {
  image: string;
  command?: string[];
  environment?: Record<string, string>;
  ports?: string[];
  volumes?: string[];
  depends_on?: Record<string, { condition?: string }>;
  healthcheck?: { test?: string[]; disable?: boolean };
  profiles?: string[];
  [key: string]: unknown;
};
type Compose = {
  services: Record<string, Service>;
  volumes: object;
  networks: Record<string, { internal?: boolean } | null>;
};

const read = (path: string) => readFileSync(path, 'utf8');
const compose = parse(read('docker-compose.yml'), { merge: true }) as Compose;
const own = parse(read('ops/compose.own-database.yml'), { merge: true }) as Compose;
const service = (name: string): Service => compose.services[name] ?? ({} as Service);
const OURS = ['migrate', 'api', 'worker'];
const COMMANDS = [apiCommand(), workerCommand(), migrateCommand(), passwordCommand()].map((c) => c.name());
/** Documented by the images of the bundled servers. */
const IMAGE_VARIABLES: Record<string, string[]> = {
  // The last one is read by ops/bundled-roles.sql.
  postgres: ['POSTGRES_USER', 'POSTGRES_DB', 'POSTGRES_PASSWORD', 'DATABASE_PASSWORD'],
  redis: ['REDISCLI_AUTH'],
};
/** Secrets, and who knows each: a process that is taken over gives away what it was given. */
const SECRETS: Record<string, string[]> = {
  DATABASE_URL: ['migrate', 'api', 'worker'],
  LETHE_DIRECT_DATABASE_URL: ['migrate'],
  REDIS_URL: ['api', 'worker'],
  LETHE_SECRET: ['api', 'worker'],
  LETHE_API_KEYS: ['api'],
  LETHE_JWT_SECRET: ['api'],
  LETHE_DASHBOARD_USERS: ['api'],
  LETHE_SIGN_OUT_SECRET: ['worker'],
  LETHE_PARTNER_SECRET: ['api'],
  LETHE_EVENTS_URL: ['worker'],
  RESEND_API_KEY: ['worker'],
  POSTGRES_PASSWORD: ['postgres'],
  DATABASE_PASSWORD: ['postgres'],
};
const PINNED = /^[a-z]+:\d+\.\d+(\.\d+)?-bookworm(-slim)?@sha256:[0-9a-f]{64}$/;
const packages = JSON.parse(read('package.json')) as {
  scripts: Record<string, string>;
  files: string[];
  dependencies: Record<string, string>;
};

const folder = mkdtempSync(join(tmpdir(), 'lethe-ignore-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('docker-compose.yml', () => {
  it('holds the api, a worker, the migration, Postgres and Redis', () => {
    expect(Object.keys(compose.services).sort()).toEqual(['api', 'migrate', 'postgres', 'redis', 'worker']);
  });

  it('sets only variables that exist, and gives our containers what they cannot start without', () => {
    for (const [name, { environment = {} }] of Object.entries({ ...compose.services, ...prefixed(own.services) })) {
      const known = OURS.includes(basename(name)) ? VARIABLES : (IMAGE_VARIABLES[name] ?? []);
      for (const variable of Object.keys(environment)) expect(known, `${name}: ${variable}`).toContain(variable);
    }
    for (const name of ['api', 'worker'])
      expect(Object.keys(service(name).environment ?? {})).toEqual(
        expect.arrayContaining(['DATABASE_URL', 'REDIS_URL', 'LETHE_SECRET', 'LETHE_METRICS_PORT']),
      );
  });

  it('gives each container its own variables only, and every option to one that reads it', () => {
    for (const [name, { env_file }] of Object.entries(compose.services)) expect(env_file, name).toBeUndefined();
    for (const [secret, owners] of Object.entries(SECRETS)) {
      const given = Object.entries(compose.services).filter(([, s]) => Object.hasOwn(s.environment ?? {}, secret));
      expect(given.map(([name]) => name).sort(), secret).toEqual([...owners].sort());
    }
    const migrate = Object.keys(service('migrate').environment ?? {});
    expect(migrate.sort()).toEqual(['DATABASE_URL', 'LETHE_DIRECT_DATABASE_URL', 'LOG_LEVEL']);
    const given = new Set(OURS.flatMap((name) => Object.keys(service(name).environment ?? {})));
    expect([...given].sort()).toEqual([...VARIABLES].sort());
  });

  it('passes on what .env says, and takes what it does not say as not set', () => {
    const fixed = [
      'LETHE_CATALOG',
      'LETHE_MAIL_OUTBOX',
      'HOST',
      'PORT',
      'LETHE_METRICS_PORT',
      'DATABASE_URL',
      'REDIS_URL',
    ];
    for (const name of OURS)
      for (const [variable, value] of Object.entries(service(name).environment ?? {}))
        if (!fixed.includes(variable)) expect(value, variable).toMatch(new RegExp(`^\\$\\{${variable}:[-?]`));
  });

  it('pins every image by digest, beside the version that it is', () => {
    for (const name of ['postgres', 'redis']) expect(service(name).image).toMatch(PINNED);
    expect(/^ARG NODE_IMAGE=(.*)$/m.exec(read('Dockerfile'))?.[1]).toMatch(PINNED);
    for (const name of OURS) expect(service(name).image).toMatch(/^\$\{LETHE_IMAGE:-lethe:latest\}$/);
  });

  it('connects as a role that is not the administrator, to a Redis that asks for a password', () => {
    expect(service('api').environment?.DATABASE_URL).toMatch(/^postgres:\/\/lethe:\$\{DATABASE_PASSWORD:\?/);
    expect(service('postgres').environment?.POSTGRES_USER ?? 'postgres').toBe('postgres');
    expect(service('api').environment?.REDIS_URL).toMatch(/^redis:\/\/:\$\{REDIS_PASSWORD:\?.*\}@redis:6379$/);
    const { command = [] } = service('redis');
    expect(command[command.indexOf('--requirepass') + 1]).toMatch(/^\$\{REDIS_PASSWORD:\?/);
  });

  it('runs commands that exist', () => {
    for (const name of OURS) expect(service(name).command).toEqual([name]);
    for (const name of OURS) expect(COMMANDS).toContain(name);
  });

  it('holds no secret: each is interpolated, and says what to do when it is missing', () => {
    for (const path of ['docker-compose.yml', 'ops/compose.own-database.yml', 'Dockerfile']) {
      const text = read(path).replace(/^\s*#.*$/gm, '');
      for (const [, password] of text.matchAll(/\w+:\/\/[^\s:/@]*:(.*?)@/g))
        expect(password, path).toMatch(/^\$\{\w+:\?[^}]+\}$/);
      for (const [line, , value] of text.matchAll(/^\s*-?\s*(\w*(?:SECRET|PASSWORD|_KEYS?|TOKEN)\w*)[:=]\s*(.*)$/gm))
        expect(value, line).toMatch(/^\$\{\w+(:-|:\?put \w+=.* into \.env.*)\}$/);
    }
    expect(read('docker-compose.yml')).toMatch(/\$\{POSTGRES_PASSWORD:\?/);
  });

  it('takes a secret from a file, as its head says, although it insists on the variable', () => {
    expect(read('docker-compose.yml')).toContain('put LETHE_SECRET=unused into .env');
    const path = join(folder, 'lethe_secret.txt');
    writeFileSync(path, 's'.repeat(32));
    const env = { DATABASE_URL: 'postgres://localhost/app', LETHE_MAIL: 'outbox', REDIS_URL: 'redis://localhost' };
    const config = loadConfig('worker', { ...env, LETHE_SECRET: 'unused', LETHE_SECRET_FILE: path });
    expect(config.LETHE_SECRET).toEqual(['s'.repeat(32)]);
  });

  it('keeps the password of the schema’s owner from what serves', () => {
    for (const name of ['api', 'worker'])
      for (const file of [compose, own])
        expect(file.services[name]?.environment).not.toHaveProperty('LETHE_DIRECT_DATABASE_URL');
    expect(service('migrate').environment).toHaveProperty('LETHE_DIRECT_DATABASE_URL');
  });

  it('can be scaled: a worker has no name and no port of its own, and none publishes the metrics', () => {
    for (const name of OURS) {
      expect(service(name).container_name).toBeUndefined();
      for (const port of service(name).ports ?? [])
        expect(port).not.toMatch(new RegExp(`:${service(name).environment?.LETHE_METRICS_PORT}$`));
    }
    expect(service('worker').ports).toBeUndefined();
    expect(service('worker').network_mode).toBeUndefined();
    for (const name of ['postgres', 'redis']) expect(service(name).ports).toBeUndefined();
    expect(service('api').ports).toEqual([expect.stringMatching(/^127\.0\.0\.1:.*:8080$/)]);
  });

  it('starts in order: the database, the migration once, then the rest', () => {
    expect(service('migrate').depends_on?.postgres).toMatchObject({ condition: 'service_healthy', required: false });
    expect(service('migrate').restart).toBe('no');
    for (const name of ['api', 'worker']) {
      expect(service(name).depends_on?.migrate?.condition).toBe('service_completed_successfully');
      expect(service(name).restart).toBe('unless-stopped');
    }
    for (const { depends_on = {} } of Object.values(compose.services))
      for (const [other, { condition }] of Object.entries(depends_on)) {
        expect(compose.services[other], other).toBeDefined();
        if (condition === 'service_healthy') expect(service(other).healthcheck?.test?.length).toBeGreaterThan(1);
      }
  });

  it('lets a worker stop in its own time', () => {
    const config = loadConfig('worker', {
      DATABASE_URL: 'postgres://localhost/app',
      REDIS_URL: 'redis://localhost',
      LETHE_SECRET: 's'.repeat(32),
      LETHE_MAIL: 'outbox',
    });
    for (const name of ['api', 'worker'])
      expect(ms(service(name).stop_grace_period as StringValue)).toBeGreaterThan(config.LETHE_SHUTDOWN_TIMEOUT + 5_000);
  });

  it('runs Redis with a log on disk, bounded, and without eviction', () => {
    const flags = (service('redis').command ?? []).join(' ');
    expect(flags).toMatch(/^redis-server .*--appendonly yes/);
    expect(flags).toContain('--maxmemory-policy noeviction');
    expect(flags).toMatch(/--maxmemory \d+mb/);
    expect(service('redis').volumes).toEqual(['redis:/data']);
  });

  it('runs a PostgreSQL of 17 or newer on a volume where that version keeps its data', () => {
    const version = Number(/^postgres:(\d+)/.exec(service('postgres').image)?.[1]);
    expect(version).toBeGreaterThanOrEqual(17);
    expect(service('postgres').volumes).toContain(`postgres:/var/lib/postgresql${version >= 18 ? '' : '/data'}`);
    expect(Object.keys(compose.volumes).sort()).toEqual(['outbox', 'postgres', 'redis']);
  });

  it('gives our containers nothing that they do not need', () => {
    for (const name of OURS) {
      const ours = service(name);
      expect(ours.read_only).toBe(true);
      expect(ours.tmpfs).toHaveLength(1);
      expect(ours.cap_drop).toEqual(['ALL']);
      expect(ours.security_opt).toEqual(['no-new-privileges:true']);
      expect(ours.privileged).toBeUndefined();
      expect(ours.user).toBeUndefined();
      expect(ours.deploy).toMatchObject({ resources: { limits: { memory: expect.any(String) } } });
    }
    expect(compose.networks.data?.internal).toBe(true);
  });

  it('mounts files that exist; the sample’s tables are those of the sample application', () => {
    const mounts = Object.values(compose.services).flatMap((s) => s.volumes ?? []);
    const files = mounts
      .map((m) => m.replace(/^\$\{\w+:-(.*?)\}/, '$1').split(':')[0] as string)
      .filter((m) => m.startsWith('.'));
    expect(files.length).toBeGreaterThan(1);
    for (const file of files) expect(existsSync(file), file).toBe(true);
    const plain = (text: string) => text.replace(/--.*$/gm, '').replace(/\s+/g, ' ').trim();
    const tables = plain(read('ops/sample-application.sql').split('INSERT INTO')[0] as string);
    expect(tables).toContain('CREATE TABLE posts');
    expect(plain(read('dev/reader.ts'))).toContain(tables);
  });

  it('can use another database: the bundled one is not started and nobody is pointed at it', () => {
    expect(own.services.postgres?.profiles).toHaveLength(1);
    for (const name of OURS) expect(own.services[name]?.environment?.DATABASE_URL).toMatch(/^\$\{DATABASE_URL:\?/);
    expect(read('docker-compose.yml')).toContain('COMPOSE_FILE=docker-compose.yml:ops/compose.own-database.yml');
  });
});

describe('package-lock.json', () => {
  it('has a hash for every package, also those of other platforms, and nothing that is not asked for', () => {
    const lock = JSON.parse(read('package-lock.json')) as {
      packages: Record<string, { integrity?: string; resolved?: string; extraneous?: boolean }>;
    };
    const { '': root, ...others } = lock.packages;
    expect(root).toMatchObject(JSON.parse(JSON.stringify({ name: 'lethe', dependencies: packages.dependencies })));
    expect(Object.keys(others).length).toBeGreaterThan(200);
    const wrong = Object.entries(others).filter(
      ([, { integrity, resolved = 'https://registry.npmjs.org/', extraneous }]) =>
        extraneous ||
        !/^sha512-[\w+/]{86}==$/.test(integrity ?? '') ||
        !resolved.startsWith('https://registry.npmjs.org/'),
    );
    expect(wrong.map(([name]) => name)).toEqual([]);
  });
});

describe('Dockerfile', () => {
  const production = stages().at(-1);
  const names = stages().map((s) => s.name);

  it('builds on a pinned Node of which the package may run on, in stages', () => {
    expect(names).toEqual(['dependencies', 'build', 'production']);
    expect(read('Dockerfile')).toMatch(/^ARG NODE_IMAGE=node:24\.\d+\.\d+-bookworm-slim@/m);
    for (const { base } of stages()) expect(base).toMatch(/^\$\{NODE_IMAGE\}$/);
  });

  it('copies what exists, or what an earlier stage builds', () => {
    const built: Record<string, string> = { '/app/node_modules': 'dependencies', '/app/dist': 'build' };
    for (const { instructions } of stages()) {
      for (const { text } of instructions.filter((i) => i.name === 'COPY')) {
        const words = text.split(/\s+/);
        const from = words.find((w) => w.startsWith('--from='))?.slice('--from='.length);
        const sources = words.filter((w) => !w.startsWith('--')).slice(0, -1);
        for (const source of sources) {
          if (from) expect(built[source], text).toBe(from);
          else expect(existsSync(source), text).toBe(true);
          if (from) expect(names).toContain(from);
        }
      }
    }
    const copied = production?.instructions
      .filter((i) => i.name === 'COPY')
      .map((i) => i.text)
      .join(' ');
    for (const path of ['dist', 'drizzle', 'catalog.yaml', 'package.json', 'LICENSE', 'node_modules'])
      expect(copied).toMatch(new RegExp(`(^|[\\s/])${path.replace('.', '\\.')}(\\s|$)`));
    expect(copied).not.toMatch(/\b(src|test|scripts|\.env)\b/);
  });

  it('installs without development dependencies and without foreign scripts, and patches the driver in every stage', () => {
    const install = (name: string) =>
      stages()
        .find((s) => s.name === name)
        ?.instructions.find((i) => i.name === 'RUN' && i.text.includes('npm ci'))?.text ?? '';
    expect(install('dependencies')).toContain('--omit=dev --omit=optional');
    expect(install('build')).not.toContain('--omit=dev');
    for (const name of ['dependencies', 'build'])
      expect(install(name)).toMatch(/npm ci .*--ignore-scripts.* && node scripts\/patch-postgres\.mjs$/);
    expect(stages()[1]?.instructions.at(-1)?.text).toBe('npm run build');
    expect(production?.instructions.some((i) => /npm/.test(i.text))).toBe(false);
  });

  it('runs a command that exists, as a user without rights, and stops by SIGTERM', () => {
    expect(lastOf('USER')).toBe('node');
    const after = production?.instructions.slice(production.instructions.findIndex((i) => i.name === 'USER')) ?? [];
    expect(after.some((i) => i.name === 'RUN' || i.name === 'COPY')).toBe(false);
    expect(lastOf('ENV')).toMatch(/NODE_ENV=production/);
    expect(lastOf('STOPSIGNAL')).toBe('SIGTERM');
    const [node, file] = JSON.parse(lastOf('ENTRYPOINT')) as string[];
    expect([node, file]).toEqual(['node', 'dist/cli/lethe.js']);
    expect(existsSync((file as string).replace(/^dist/, 'src').replace(/js$/, 'ts'))).toBe(true);
    for (const command of JSON.parse(lastOf('CMD')) as string[]) expect(COMMANDS).toContain(command);
    for (const [, variable] of lastOf('ENV').matchAll(/(\w+)=/g))
      expect([...VARIABLES, 'NODE_ENV']).toContain(variable);
    expect(lastOf('LABEL')).toMatch(/org\.opencontainers\.image\.licenses="MIT"/);
  });

  it('.dockerignore lets in what is copied and nothing else', () => {
    const lines = read('.dockerignore')
      .split('\n')
      .filter((l) => l && !l.startsWith('#'));
    expect(lines[0]).toBe('*');
    const allowed = lines.filter((l) => l.startsWith('!')).map((l) => l.slice(1));
    const copied = stages().flatMap((s) =>
      s.instructions
        .filter((i) => i.name === 'COPY' && !i.text.includes('--from='))
        .flatMap((i) => i.text.split(/\s+/).slice(0, -1)),
    );
    for (const path of copied)
      expect(
        allowed.some((a) => path === a || path.startsWith(`${a}/`)),
        path,
      ).toBe(true);
    for (const path of allowed)
      expect(
        copied.some((c) => c === path || c.startsWith(`${path}/`)),
        path,
      ).toBe(true);
  });
});

describe('npm run build', () => {
  it('copies the pages’ assets next to the compiled code', () => {
    expect(packages.scripts.build).toMatch(/^tsc -p tsconfig\.build\.json && node scripts\/copy-assets\.mjs$/);
    expect(packages.files).toEqual(
      expect.arrayContaining(['dist', 'drizzle', 'catalog.yaml', 'scripts/patch-postgres.mjs']),
    );
    const root = join(folder, 'project');
    const [from, out] = [join(root, 'src/http/assets'), join(root, 'dist')];
    mkdirSync(join(root, 'scripts'), { recursive: true });
    mkdirSync(join(from, 'icons'), { recursive: true });
    writeFileSync(join(root, 'scripts/copy-assets.mjs'), read('scripts/copy-assets.mjs'));
    writeFileSync(join(from, 'page.css'), 'body{}');
    writeFileSync(join(from, 'icons/a.svg'), '<svg/>');
    writeFileSync(join(from, 'read.ts'), 'export {}');
    execFileSync(process.execPath, [join(root, 'scripts/copy-assets.mjs')]);
    execFileSync(process.execPath, [join(root, 'scripts/copy-assets.mjs'), join(root, 'elsewhere')]);
    expect(read(join(root, 'elsewhere/http/assets/page.css'))).toBe('body{}');
    expect(read(join(out, 'http/assets/page.css'))).toBe('body{}');
    expect(read(join(out, 'http/assets/icons/a.svg'))).toBe('<svg/>');
    expect(existsSync(join(out, 'http/assets/read.ts'))).toBe(false);
  });
});

const prefixed = (services: Record<string, Service>) =>
  Object.fromEntries(Object.entries(services).map(([name, s]) => [`own/${name}`, s]));
