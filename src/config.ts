import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { UsageError } from './errors.ts';
import { apiKeys, dashboardUsers } from './settings/access.ts';
import { parseDatabaseUrl } from './settings/database-address.ts';
import { parseEventsUrl } from './settings/events-address.ts';
import { isSender } from './settings/mail-address.ts';
import { parsePaceSchedule } from './settings/pace-schedule.ts';
import { parseRedisUrl } from './settings/redis-address.ts';
import { startsTooLate } from './settings/sweep-times.ts';
import {
  address,
  color,
  duration,
  hosts,
  integer,
  origins,
  pace,
  splitList,
  sweepCron,
  url,
} from './settings/values.ts';

const DAY = 86_400_000;
const SECOND = 1000;

const schema = z.object({
  DATABASE_URL: address(parseDatabaseUrl),
  LETHE_DIRECT_DATABASE_URL: address(parseDatabaseUrl).optional(),
  REDIS_URL: address(parseRedisUrl),
  LETHE_REDIS_PREFIX: z
    .string()
    .regex(/^\{[\w-]+\}$/, 'expected a hash tag such as {lethe}: all keys must share one slot')
    .default('{lethe}'),
  LETHE_EVENTS_URL: address(parseEventsUrl).optional(),
  HOST: z.string().default('0.0.0.0'),
  PORT: integer(0, 65535).default(8080),
  LETHE_PUBLIC_URL: url('http:', 'https:')
    .refine((text) => !/[?#]/.test(text), 'expected a URL without ? and #: paths are added at its end')
    .default('http://localhost:8080'),
  LETHE_CORS_ORIGINS: origins.default([]),
  LETHE_RATE_LIMIT: integer(0, 1_000_000).default(300),
  LETHE_TRUSTED_PROXIES: integer(0, 10).default(0),
  LETHE_METRICS_PORT: integer(0, 65535).optional(),
  LETHE_BRAND_NAME: z.string().min(1).max(60, 'expected at most 60 characters').default('Lethe'),
  LETHE_BRAND_URL: url('http:', 'https:').optional(),
  LETHE_BRAND_COLOR: color.default('#1f5f8b'),
  LETHE_BRAND_COLOR_DARK: color.default('#7cc4f0'),
  LETHE_CATALOG: z.string().default('catalog.yaml'),
  LETHE_SECRET: z
    .string({ error: 'is required: a random text of 32 characters or more' })
    .transform(splitList)
    .pipe(z.array(z.string().min(32, 'each secret needs 32 characters or more')).min(1)),
  LETHE_API_KEYS: apiKeys.default([]),
  LETHE_JWT_SECRET: z.string().min(32, 'needs 32 characters or more (HS256)').optional(),
  LETHE_JWKS_URL: url('http:', 'https:').optional(),
  LETHE_JWT_ISSUER: z.string().optional(),
  LETHE_JWT_AUDIENCE: z.string().optional(),
  LETHE_SIGN_OUT_URL: url('http:', 'https:').optional(),
  LETHE_SIGN_OUT_SECRET: z.string().min(32, 'needs 32 characters or more (HS256)').optional(),
  LETHE_MAX_AUTH_AGE: duration(SECOND, DAY).default(15 * 60 * SECOND),
  LETHE_DASHBOARD_USERS: dashboardUsers.default([]),
  LETHE_SWEEP_CRON: sweepCron.default('0 * * * *'),
  LETHE_DATASET_CRON: sweepCron.default('30 0 * * *'),
  LETHE_PRIVATE_HOSTS: hosts.default([]),
  LETHE_PARTNER_SECRET: z.string().optional(),
  LETHE_UNDO_WINDOW: duration(0, 31 * DAY).default(0),
  LETHE_SLA: duration(60 * SECOND, 31 * DAY).default(30 * DAY),
  LETHE_CANARY_URL: url('http:', 'https:')
    .refine((text) => !/[?#]/.test(text), 'expected a URL without ? and #: paths are added at its end')
    .optional(),
  LETHE_CANARY_DATABASE_URL: address(parseDatabaseUrl).optional(),
  LETHE_RECONCILE_INTERVAL: duration(SECOND, 60 * SECOND).default(30 * SECOND),
  LETHE_CONCURRENCY: integer(1, 64).default(2),
  LETHE_GLOBAL_CONCURRENCY: integer(1, 256).default(2),
  LETHE_PACE: pace.default(parsePaceSchedule('balanced')),
  LETHE_MAX_REPLICA_LAG: duration(SECOND, DAY).default(10 * SECOND),
  LETHE_CHUNK_ROWS: integer(100, 1_000_000).default(50_000),
  LETHE_SLICE_TIME: duration(10, 10 * SECOND).default(200),
  LETHE_IMMEDIATE_TIME: duration(100, 10 * SECOND).default(2 * SECOND),
  LETHE_STALLED_RETRY: duration(60 * SECOND, 7 * DAY).default(6 * 3600 * SECOND),
  LETHE_LEDGER_RETENTION: duration(2 * DAY, 3650 * DAY).default(35 * DAY),
  LETHE_EVIDENCE_RETENTION: duration(2 * DAY, 36500 * DAY).default(1096 * DAY),
  LETHE_SHUTDOWN_TIMEOUT: duration(SECOND, 300 * SECOND).default(20 * SECOND),
  LETHE_MAIL: z.enum(['resend', 'outbox'], { error: 'expected resend or outbox' }).default('resend'),
  LETHE_MAIL_FROM: z
    .string()
    .refine(isSender, 'expected one address, such as accounts@example.com or Example <accounts@example.com>')
    .optional(),
  LETHE_MAIL_OUTBOX: z.string().default('outbox'),
  RESEND_API_KEY: z.string().optional(),
  RESEND_BASE_URL: url('http:', 'https:').default('https://api.resend.com'),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
});

export type Config = z.infer<typeof schema> & {
  /** A variable that only the catalog names, such as a partner's secret; undefined: not set, or not to be read. */
  readonly variable: (name: string) => string | undefined;
};
export type Role = 'api' | 'worker' | 'migrate' | 'cli' | 'catalog' | 'alerts' | 'plan' | 'partner';
/** Roles that need a few options only: a job that checks the catalog knows no secret. */
const NEEDS: Partial<Record<Role, Partial<Record<keyof typeof schema.shape, true>>>> = {
  migrate: { DATABASE_URL: true, LETHE_DIRECT_DATABASE_URL: true, LOG_LEVEL: true },
  alerts: { LETHE_CATALOG: true },
  partner: { LOG_LEVEL: true },
  catalog: {
    DATABASE_URL: true,
    LETHE_CANARY_DATABASE_URL: true,
    LETHE_CATALOG: true,
    LETHE_PRIVATE_HOSTS: true,
    LOG_LEVEL: true,
  },
};

function readVariable(name: string, env: NodeJS.ProcessEnv): string | undefined {
  const file = env[`${name}_FILE`];
  try {
    return (file ? readFileSync(file, 'utf8').trim() : env[name]) || undefined;
  } catch {
    return undefined;
  }
}

/** Every variable that the configuration knows; each can also be given as NAME_FILE. */
export const VARIABLES = Object.keys(schema.shape);

/**
 * Reads the environment for one role and fails with every problem at once. `NAME_FILE` names a file
 * that holds the value, so that a secret need not stand in the environment.
 */
export function loadConfig(role: Role, env: NodeJS.ProcessEnv = process.env): Config {
  const problems: string[] = [];
  const values: Record<string, string> = {};
  const unreadable = new Set<string>();
  const needs = NEEDS[role];
  // A plan puts nothing into a queue and signs nothing.
  const whole = role === 'plan' ? schema.partial({ REDIS_URL: true, LETHE_SECRET: true }) : schema;
  const shape = needs ? schema.pick(needs as { DATABASE_URL: true }) : whole;
  for (const name of Object.keys(shape.shape)) {
    const file = env[`${name}_FILE`];
    try {
      const value = file ? readFileSync(file, 'utf8').trim() : env[name];
      if (value !== undefined && value !== '') values[name] = value;
    } catch (error) {
      problems.push(`${name}_FILE: cannot read ${file} (${(error as NodeJS.ErrnoException).code})`);
      unreadable.add(name);
    }
  }
  const parsed = shape.safeParse(values);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) {
      const name = String(issue.path[0]);
      problems.push(
        values[name] === undefined && !issue.message.startsWith('is required')
          ? `${name}: is required`
          : `${name}: ${issue.message}`,
      );
    }
  }
  // Who signs the call: the API only records that it is due.
  if (role === 'worker' && values.LETHE_SIGN_OUT_URL && !values.LETHE_SIGN_OUT_SECRET)
    problems.push('LETHE_SIGN_OUT_SECRET: is required with LETHE_SIGN_OUT_URL');
  if (parsed.success && !needs) problems.push(...checkDeadline(parsed.data as Config));
  if (role === 'api') problems.push(...checkApi(values));
  if (role === 'worker') problems.push(...checkMail(values));
  // What an unreadable file would have given is not missing as well.
  const named = [...new Set(problems)].filter((problem) => !unreadable.has(problem.split(':', 1)[0] as string));
  if (named.length > 0) throw new UsageError(named);
  return Object.assign(parsed.data as Config, { variable: (name: string) => readVariable(name, env) });
}

/** What parts of the addresses are left out because they change nothing here, a line for each address: not a value of them. */
export function droppedParts(config: Partial<Config>): string[] {
  const { DATABASE_URL, LETHE_DIRECT_DATABASE_URL, REDIS_URL } = config;
  const parsed = {
    DATABASE_URL: DATABASE_URL && parseDatabaseUrl(DATABASE_URL),
    LETHE_DIRECT_DATABASE_URL: LETHE_DIRECT_DATABASE_URL && parseDatabaseUrl(LETHE_DIRECT_DATABASE_URL),
    REDIS_URL: REDIS_URL && parseRedisUrl(REDIS_URL),
  };
  return Object.entries(parsed).flatMap(([name, of]) => {
    if (!of || !('dropped' in of) || of.dropped.length === 0) return [];
    // What it asks for, that nobody stands between, the driver cannot prove in this way.
    const more = of.dropped.includes('channel_binding') ? '; in place of channel_binding, sslmode=verify-full' : '';
    return [`${name}: left out, as it changes nothing here: ${of.dropped.join(', ')}${more}`];
  });
}

function checkDeadline(config: Config): string[] {
  const when = { sweepCron: config.LETHE_SWEEP_CRON, undoWindowMs: config.LETHE_UNDO_WINDOW };
  const late = startsTooLate(when, config.LETHE_SLA, new Date());
  return late ? [`LETHE_SLA: ${late}`] : [];
}

function checkApi(values: Record<string, string>): string[] {
  const problems: string[] = [];
  const signed = values.LETHE_JWT_SECRET ?? values.LETHE_JWKS_URL;
  if (!signed && splitList(values.LETHE_API_KEYS ?? '').length === 0) {
    problems.push(
      'LETHE_API_KEYS, LETHE_JWT_SECRET or LETHE_JWKS_URL: one of them is required, or anybody could erase anybody',
    );
  }
  for (const name of ['LETHE_JWT_ISSUER', 'LETHE_JWT_AUDIENCE']) {
    if (signed && !values[name]) problems.push(`${name}: is required with LETHE_JWT_SECRET or LETHE_JWKS_URL`);
  }
  return problems;
}

function checkMail(values: Record<string, string>): string[] {
  const problems: string[] = [];
  if ((values.LETHE_MAIL ?? 'resend') !== 'resend') return problems;
  if (!values.RESEND_API_KEY)
    problems.push('RESEND_API_KEY: is required, or set LETHE_MAIL=outbox to write mails to a folder');
  if (!values.LETHE_MAIL_FROM) problems.push('LETHE_MAIL_FROM: is required with LETHE_MAIL=resend');
  return problems;
}
