import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { droppedParts, loadConfig, type Role, VARIABLES } from '../../src/config.ts';
import { UsageError } from '../../src/errors.ts';

const HASH = 'f'.repeat(64);
const SCRYPT = '16384:8:1:c2FsdA:aGFzaA';
const ENV = {
  DATABASE_URL: 'postgres://u:p@localhost/app',
  REDIS_URL: 'redis://localhost:6379',
  LETHE_SECRET: 's'.repeat(32),
  LETHE_API_KEYS: `app=erasures:write=${HASH}`,
  LETHE_MAIL: 'outbox',
};
const without = (name: keyof typeof ENV) => Object.fromEntries(Object.entries(ENV).filter(([key]) => key !== name));

function problemsOf(role: Role, env: NodeJS.ProcessEnv): readonly string[] {
  try {
    loadConfig(role, env);
  } catch (error) {
    if (error instanceof UsageError) return error.problems;
    throw error;
  }
  return [];
}

describe('loadConfig', () => {
  it('fills in the defaults that the design names', () => {
    expect(loadConfig('api', ENV)).toMatchObject({
      PORT: 8080,
      LETHE_CATALOG: 'catalog.yaml',
      LETHE_REDIS_PREFIX: '{lethe}',
      LETHE_SWEEP_CRON: '0 * * * *',
      LETHE_UNDO_WINDOW: 0,
      LETHE_SLA: 30 * 86_400_000,
      LETHE_RECONCILE_INTERVAL: 30_000,
      LETHE_PACE: { windows: [], otherwise: 'balanced' },
      LETHE_MAX_REPLICA_LAG: 10_000,
      LETHE_CHUNK_ROWS: 50_000,
      LETHE_SLICE_TIME: 200,
      LETHE_IMMEDIATE_TIME: 2_000,
      LETHE_LEDGER_RETENTION: 35 * 86_400_000,
      LETHE_DASHBOARD_USERS: [],
      LOG_LEVEL: 'info',
    });
  });

  it('refuses a prefix without a hash tag for a cluster too: keys in several slots cannot be changed at once', () => {
    const env = { ...ENV, REDIS_URL: 'redis+cluster://a:7000,b:7000', LETHE_REDIS_PREFIX: 'lethe' };
    expect(problemsOf('worker', env)).toEqual([
      'LETHE_REDIS_PREFIX: expected a hash tag such as {lethe}: all keys must share one slot',
    ]);
    expect(loadConfig('worker', { ...env, LETHE_REDIS_PREFIX: '{a-1}' }).REDIS_URL).toBe(env.REDIS_URL);
  });

  it('reads lists, durations and numbers', () => {
    const config = loadConfig('api', {
      ...ENV,
      LETHE_SECRET: ` ${'n'.repeat(32)} , ${'o'.repeat(32)},`,
      LETHE_API_KEYS: `app=erasures:write+erasures:read=${HASH}, ops=admin=${HASH}`,
      LETHE_DASHBOARD_USERS: `ada=ops=${SCRYPT},bob=support=${SCRYPT}`,
      LETHE_UNDO_WINDOW: '2h',
      LETHE_PRIVATE_HOSTS: 'Search.internal, 10.0.0.7,*.internal,[::1],fd00::7',
      LETHE_CONCURRENCY: '4',
      PORT: '0',
    });
    expect(config.LETHE_SECRET).toEqual(['n'.repeat(32), 'o'.repeat(32)]);
    expect(config.LETHE_PRIVATE_HOSTS).toEqual(['search.internal', '10.0.0.7', '*.internal', '[::1]', 'fd00::7']);
    expect(config.LETHE_API_KEYS).toEqual([
      { name: 'app', scopes: ['erasures:write', 'erasures:read'], hash: HASH },
      { name: 'ops', scopes: ['admin'], hash: HASH },
    ]);
    expect(config.LETHE_DASHBOARD_USERS).toEqual([
      { name: 'ada', role: 'ops', hash: SCRYPT },
      { name: 'bob', role: 'support', hash: SCRYPT },
    ]);
    expect(config).toMatchObject({ LETHE_UNDO_WINDOW: 7_200_000, LETHE_CONCURRENCY: 4, PORT: 0 });
  });

  it.each<[string, string, RegExp]>([
    ['DATABASE_URL', 'mysql://localhost/app', /begins with postgres:\/\/ or postgresql:\/\//],
    ['DATABASE_URL', 'localhost', /begins with/],
    ['DATABASE_URL', 'postgres://u:100%@h/app', /^DATABASE_URL: the password holds a % that begins no escape/],
    ['DATABASE_URL', 'postgres://a,b/app', /several hosts are not supported/],
    ['DATABASE_URL', 'postgres://h/app?sslrootcert=/nowhere&sslmode=verify-ca', /sslrootcert: the file cannot be read/],
    ['LETHE_DIRECT_DATABASE_URL', 'http://localhost', /begins with postgres/],
    ['REDIS_URL', 'http://localhost:6379', /begins with redis:\/\/ or rediss:\/\//],
    ['REDIS_URL', 'redis://a:6379,b:6379', /redis\+cluster:\/\/host:port,host:port or redis\+sentinel/],
    ['REDIS_URL', 'redis+sentinel://a,b', /host:port\/master$/],
    ['LETHE_REDIS_PREFIX', 'lethe', /hash tag/],
    ['LETHE_EVENTS_URL', 'kafka://a:9092', /begins with redis:\/\/ or rediss:\/\//],
    ['LETHE_EVENTS_URL', 'amqp://a:5672', /user and a password/],
    ['LETHE_EVENTS_URL', 'amqp://u:p#w@a:5672', /expected amqp:|without #/],
    ['PORT', '70000', /from 0 to 65535/],
    ['PORT', 'http', /expected a whole number/],
    ['PORT', '80.5', /whole number/],
    ['LETHE_PUBLIC_URL', 'ftp://lethe.test', /begins with http/],
    ['LETHE_PUBLIC_URL', 'https://lethe.test/?a=1', /without \? and #/],
    ['LETHE_SECRET', 'short', /32 characters/],
    ['LETHE_SECRET', `${'a'.repeat(32)},short`, /32 characters/],
    ['LETHE_SECRET', ',', />=1/],
    ['LETHE_API_KEYS', 'app', /name=scope/],
    ['LETHE_API_KEYS', `app=erasures:delete=${HASH}`, /scopes of erasures:write/],
    ['LETHE_API_KEYS', `app=admin=${HASH.slice(1)}`, /sha256hex/],
    ['LETHE_API_KEYS', `app=admin=${HASH.toUpperCase()}`, /sha256hex/],
    ['LETHE_API_KEYS', `=admin=${HASH}`, /name=scope/],
    ['LETHE_API_KEYS', `app==${HASH}`, /name=scope/],
    ['LETHE_API_KEYS', `app=admin=${HASH}=more`, /name=scope/],
    ['LETHE_MAX_AUTH_AGE', 'never', /expected a duration .* from 1s to 1d/],
    ['LETHE_DASHBOARD_USERS', `ada=root=${SCRYPT}`, /role support or ops/],
    ['LETHE_DASHBOARD_USERS', 'ada=ops=plain', /lethe password/],
    ['LETHE_SWEEP_CRON', 'hourly', /cron expression/],
    ['LETHE_SWEEP_CRON', '61 * * * *', /cron expression/],
    ['LETHE_SWEEP_CRON', '0 0 30 2 *', /cron expression/],
    ['LETHE_UNDO_WINDOW', '32d', /from 0ms to 31d/],
    ['LETHE_UNDO_WINDOW', '-1h', /from 0ms to 31d/],
    ['LETHE_SLA', '32d', /to 31d/],
    ['LETHE_SLA', '0', /from 1m/],
    ['LETHE_RECONCILE_INTERVAL', '2m', /to 1m/],
    ['LETHE_CANARY_URL', 'lethe.internal:8080', /LETHE_CANARY_URL/],
    ['LETHE_CANARY_URL', 'ftp://lethe.internal', /LETHE_CANARY_URL/],
    ['LETHE_CANARY_URL', 'https://lethe.internal/?a=1', /without \? and #/],
    ['LETHE_CANARY_DATABASE_URL', 'mysql://u:hunter2@db/app', /LETHE_CANARY_DATABASE_URL/],
    ['LETHE_CANARY_DATABASE_URL', 'db.internal', /LETHE_CANARY_DATABASE_URL/],
    ['LETHE_PRIVATE_HOSTS', 'https://search.internal', /expected host names/],
    ['LETHE_PRIVATE_HOSTS', 'search.internal:8080', /expected host names/],
    ['LETHE_PRIVATE_HOSTS', '10.0.0.0/8', /expected host names/],
    ['LETHE_CONCURRENCY', '0', /from 1 to 64/],
    ['LETHE_GLOBAL_CONCURRENCY', '257', /from 1 to 256/],
    [
      'LETHE_PACE',
      'fast',
      /entry 1 of 1: expected gentle, balanced, full, alone or with a time such as gentle Mon-Fri/,
    ],
    ['LETHE_PACE', 'balanced, gentle 08:00-20:00 Europe/Bielefeld', /entry 2 of 2: expected a time zone/],
    ['LETHE_MAX_REPLICA_LAG', '0', /from 1s to 1d/],
    ['LETHE_CHUNK_ROWS', '99', /from 100 to/],
    ['LETHE_SLICE_TIME', '11s', /from 10ms to 10s/],
    ['LETHE_IMMEDIATE_TIME', '50ms', /from 100ms/],
    ['LETHE_STALLED_RETRY', '1s', /from 1m/],
    ['LETHE_LEDGER_RETENTION', '1d', /from 2d/],
    ['LETHE_EVIDENCE_RETENTION', '1d', /from 2d/],
    ['LETHE_SHUTDOWN_TIMEOUT', '10m', /to 5m/],
    ['LETHE_MAIL', 'smtp', /resend or outbox/],
    ['RESEND_BASE_URL', 'resend.test', /begins with http/],
    ['LOG_LEVEL', 'loud', /expected one of/],
  ])('refuses %s=%s', (name, value, expected) => {
    const problems = problemsOf('api', { ...ENV, [name]: value });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(new RegExp(`^${name}: `));
    expect(problems[0]).toMatch(expected);
  });

  const schedule = (cron: string, undo: string, sla: string) => ({
    ...ENV,
    LETHE_SWEEP_CRON: cron,
    LETHE_UNDO_WINDOW: undo,
    LETHE_SLA: sla,
  });

  it.each([
    [
      '0 0 1 1 *',
      '0',
      '7d',
      /LETHE_SWEEP_CRON pauses for up to 36[56] days \(\d{4}-01-01T00:00Z to \d{4}-01-01T00:00Z\)/,
    ],
    ['0 0 1 1 *', '31d', '7d', /the undo window is 31 days, .* only 7 days are allowed/],
    ['0 * * * *', '7d', '7d', /the undo window is 7 days, LETHE_SWEEP_CRON has to come as well/],
    ['0 * * * *', '47h', '48h', /pauses for up to 1 hour \(/],
    ['0 0 * * 1', '20d', '27d', /pauses for up to 7 days/],
    ['0 9 * * 1-5', '0', '3d', /pauses for up to 3 days/],
    ['0 0 1 * *', '0', '31d', /pauses for up to 31 days/],
    ['* * * 1 *', '0', '31d', /pauses for up to 33[45] days/],
    ['0 0 29 2 *', '0', '31d', /pauses for up to 1461 days/],
  ])('refuses a sweep of %s behind an undo window of %s for a deadline of %s', (cron, undo, sla, words) => {
    for (const role of ['api', 'worker', 'cli'] as const) {
      expect(problemsOf(role, schedule(cron, undo, sla))).toEqual([expect.stringMatching(words)]);
      expect(problemsOf(role, schedule(cron, undo, sla))[0]).toMatch(
        /^LETHE_SLA: an erasure would start after its deadline: /,
      );
    }
  });

  it.each([
    ['0 * * * *', '46h', '48h'],
    ['0 0 * * 1', '20d', '28d'],
    ['* * * * *', '0', '2m'],
  ])('allows a sweep of %s behind an undo window of %s for a deadline of %s', (cron, undo, sla) =>
    expect(problemsOf('worker', schedule(cron, undo, sla))).toEqual([]),
  );

  it('says by name which parts of an address are left out', () => {
    const url = 'postgres://h/app?schema=public&pgbouncer=true&sslmode=require&channel_binding=require';
    const config = loadConfig('worker', { ...ENV, DATABASE_URL: url, REDIS_URL: 'redis://h?protocol=3' });
    expect(droppedParts(config)).toEqual([
      'DATABASE_URL: left out, as it changes nothing here: schema, pgbouncer, channel_binding; in place of channel_binding, sslmode=verify-full',
      'REDIS_URL: left out, as it changes nothing here: protocol',
    ]);
    expect(droppedParts(loadConfig('worker', ENV))).toEqual([]);
  });

  it('never repeats a value: it may be a secret', () => {
    const env = Object.fromEntries(VARIABLES.map((name) => [name, 'hunter2']));
    const problems = problemsOf('worker', env);
    expect(problems.length).toBeGreaterThan(20);
    expect(problems.join('\n')).not.toContain('hunter2');
  });

  it('names three mistakes at once, each on a line of its own', () => {
    const problems = problemsOf('api', { ...without('REDIS_URL'), PORT: 'x', LETHE_SLA: 'x' });
    expect(problems.map((p) => p.split(':')[0]).sort()).toEqual(['LETHE_SLA', 'PORT', 'REDIS_URL']);
    expect(problems.join('').includes('\n')).toBe(false);
  });

  it.each(['DATABASE_URL', 'REDIS_URL', 'LETHE_SECRET'] as const)('requires %s, and takes empty for unset', (name) => {
    for (const env of [without(name), { ...ENV, [name]: '' }]) {
      const problems = problemsOf('api', env);
      expect(problems).toHaveLength(1);
      expect(problems[0]).toMatch(new RegExp(`^${name}: is required`));
    }
  });
});

describe('what each role needs', () => {
  const JWT = { LETHE_JWT_SECRET: 'j'.repeat(32), LETHE_JWT_ISSUER: 'app', LETHE_JWT_AUDIENCE: 'lethe' };

  it.each([
    ['nothing', {}],
    ['an empty list of keys', { LETHE_API_KEYS: '' }],
    ['a list of keys without a key', { LETHE_API_KEYS: ' , ' }],
  ])('the api is refused with %s to authenticate by', (_, auth) => {
    expect(problemsOf('api', { ...without('LETHE_API_KEYS'), ...auth })).toEqual([
      'LETHE_API_KEYS, LETHE_JWT_SECRET or LETHE_JWKS_URL: one of them is required, or anybody could erase anybody',
    ]);
  });

  it('the api takes keys or tokens; tokens need issuer and audience', () => {
    expect(problemsOf('api', ENV)).toEqual([]);
    expect(problemsOf('api', { ...without('LETHE_API_KEYS'), ...JWT })).toEqual([]);
    expect(problemsOf('api', { ...ENV, ...JWT, LETHE_JWT_SECRET: 'short' })).toEqual([
      'LETHE_JWT_SECRET: needs 32 characters or more (HS256)',
    ]);
    expect(problemsOf('api', { ...ENV, LETHE_JWT_SECRET: JWT.LETHE_JWT_SECRET })).toEqual([
      'LETHE_JWT_ISSUER: is required with LETHE_JWT_SECRET or LETHE_JWKS_URL',
      'LETHE_JWT_AUDIENCE: is required with LETHE_JWT_SECRET or LETHE_JWKS_URL',
    ]);
    expect(problemsOf('api', { ...ENV, LETHE_JWKS_URL: 'https://id.example.com/keys' })).toHaveLength(2);
    expect(
      problemsOf('api', { ...ENV, ...JWT, LETHE_JWT_SECRET: '', LETHE_JWKS_URL: 'https://id.example.com/keys' }),
    ).toEqual([]);
    expect(problemsOf('api', { ...ENV, LETHE_JWKS_URL: 'id.example.com' })).toHaveLength(3);
  });

  it.each(['5', '3600', '1.5', '10 apples', '-1s'])(
    'a duration of "%s" has no unit that is known, so it is refused',
    (text) => {
      const problems = problemsOf('worker', { ...ENV, LETHE_UNDO_WINDOW: text });
      expect(problems).toEqual([expect.stringMatching(/^LETHE_UNDO_WINDOW: expected a duration such as 30s/)]);
    },
  );

  it('a worker needs no authentication, but a way to send mail', () => {
    expect(problemsOf('worker', without('LETHE_API_KEYS'))).toEqual([]);
    expect(problemsOf('worker', without('LETHE_MAIL'))).toEqual([
      'RESEND_API_KEY: is required, or set LETHE_MAIL=outbox to write mails to a folder',
      'LETHE_MAIL_FROM: is required with LETHE_MAIL=resend',
    ]);
    expect(problemsOf('worker', { ...ENV, LETHE_MAIL: 'resend', RESEND_API_KEY: 're_1' })).toEqual([
      'LETHE_MAIL_FROM: is required with LETHE_MAIL=resend',
    ]);
    const resend = { RESEND_API_KEY: 're_1', LETHE_MAIL_FROM: 'Lethe <lethe@example.com>' };
    expect(problemsOf('worker', { ...without('LETHE_MAIL'), ...resend })).toEqual([]);
  });

  it('the api sends no mail and needs no key for it', () => {
    expect(problemsOf('api', without('LETHE_MAIL'))).toEqual([]);
  });

  it('the command line needs neither authentication nor mail', () => {
    expect(problemsOf('cli', { ...without('LETHE_API_KEYS'), LETHE_MAIL: '' })).toEqual([]);
    expect(problemsOf('cli', without('LETHE_SECRET'))).toEqual([expect.stringMatching(/^LETHE_SECRET: is required/)]);
  });

  it('the check of the catalog needs DATABASE_URL, and knows where the catalog is', () => {
    const env = { DATABASE_URL: ENV.DATABASE_URL };
    const { variable, ...options } = loadConfig('catalog', { ...env, SEARCH_SECRET: 'of a partner' });
    expect(options).toEqual({ ...env, LETHE_CATALOG: 'catalog.yaml', LETHE_PRIVATE_HOSTS: [], LOG_LEVEL: 'info' });
    expect([variable('SEARCH_SECRET'), variable('OTHER')]).toEqual(['of a partner', undefined]);
    expect(problemsOf('catalog', { ...env, REDIS_URL: 'x', LETHE_SECRET_FILE: '/nowhere' })).toEqual([]);
    expect(problemsOf('catalog', {})).toEqual(['DATABASE_URL: is required']);
  });

  it('migrate needs DATABASE_URL and nothing else', () => {
    expect(problemsOf('migrate', { DATABASE_URL: ENV.DATABASE_URL })).toEqual([]);
    expect(problemsOf('migrate', {})).toEqual(['DATABASE_URL: is required']);
    expect(problemsOf('migrate', { DATABASE_URL: ENV.DATABASE_URL, PORT: 'x', LETHE_SECRET_FILE: '/nowhere' })).toEqual(
      [],
    );
  });
});

describe('NAME_FILE', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'lethe-config-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const file = (content: string) => {
    const path = join(folder, 'value');
    writeFileSync(path, content);
    return path;
  };

  it.each(['DATABASE_URL', 'REDIS_URL', 'LETHE_SECRET', 'LETHE_API_KEYS', 'LETHE_MAIL'] as const)(
    'gives %s, without the newline at its end',
    (name) => {
      const { [name]: given, ...rest }: Record<string, string> = ENV;
      const config = loadConfig('api', { ...rest, [`${name}_FILE`]: file(`${given}\n`) });
      expect(config[name]).toEqual(loadConfig('api', ENV)[name]);
    },
  );

  it('goes before the variable itself', () => {
    expect(loadConfig('api', { ...ENV, PORT: '1', PORT_FILE: file('2') }).PORT).toBe(2);
  });

  it('is checked like the variable', () => {
    expect(problemsOf('api', { ...without('LETHE_SECRET'), LETHE_SECRET_FILE: file('short\n') })).toEqual([
      'LETHE_SECRET: each secret needs 32 characters or more',
    ]);
    expect(problemsOf('api', { ...without('REDIS_URL'), REDIS_URL_FILE: file(' \n') })).toEqual([
      'REDIS_URL: is required',
    ]);
  });

  it.each([
    ['is not there', 'nowhere', 'ENOENT'],
    ['is a folder', '.', 'EISDIR'],
  ])('that %s is named once, beside the other mistakes', (_, name, code) => {
    const path = join(folder, name);
    expect(problemsOf('api', { ...without('LETHE_SECRET'), LETHE_SECRET_FILE: path, PORT: 'x' })).toEqual([
      `LETHE_SECRET_FILE: cannot read ${path} (${code})`,
      'PORT: expected a whole number from 0 to 65535',
    ]);
  });
});
