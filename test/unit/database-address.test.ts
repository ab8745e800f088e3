import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parseDatabaseUrl } from '../../src/settings/database-address.ts';

const CA = fileURLToPath(new URL('../support/tls/certificate.pem', import.meta.url));
const read = (url: string) => {
  const parsed = parseDatabaseUrl(url);
  if ('problem' in parsed) throw new Error(parsed.problem);
  return parsed;
};
const SECRET = 'hunter2';

describe('parseDatabaseUrl', () => {
  it.each<[string, object]>([
    ['postgres://u:p@h/db', { host: ['h'], port: [5432], username: 'u', password: 'p', database: 'db', ssl: false }],
    ['postgresql://h', { host: ['h'], port: [5432], ssl: false }],
    ['postgres://', { host: ['localhost'], port: [5432], ssl: false }],
    ['postgres://u@h:6543/db', { host: ['h'], port: [6543], username: 'u', database: 'db', ssl: false }],
    [
      'postgres://u:p%40%25%2F@h/d%20b',
      { host: ['h'], port: [5432], username: 'u', password: 'p@%/', database: 'd b', ssl: false },
    ],
    [
      'postgres://u:p@ss:w@h/db',
      { host: ['h'], port: [5432], username: 'u', password: 'p@ss:w', database: 'db', ssl: false },
    ],
    [
      'postgres://u:p+q@h/db?password=a+b',
      { host: ['h'], port: [5432], username: 'u', password: 'a+b', database: 'db', ssl: false },
    ],
    ['postgres://[::1]:5433/db', { host: ['::1'], port: [5433], database: 'db', ssl: false }],
    ['postgres://[fd00::7]/db', { host: ['fd00::7'], port: [5432], database: 'db', ssl: false }],
    [
      'postgres://u:p@/db?host=/var/run/postgresql&port=5433&sslmode=require',
      {
        host: ['localhost'],
        port: [5433],
        path: '/var/run/postgresql/.s.PGSQL.5433',
        username: 'u',
        password: 'p',
        database: 'db',
        ssl: false,
      },
    ],
    [
      'postgres://u@%2Fvar%2Frun%2Fpostgresql/db',
      {
        host: ['localhost'],
        port: [5432],
        path: '/var/run/postgresql/.s.PGSQL.5432',
        username: 'u',
        database: 'db',
        ssl: false,
      },
    ],
    [
      'postgres:///db?host=h&user=u&dbname=other',
      { host: ['h'], port: [5432], username: 'u', database: 'other', ssl: false },
    ],
    [
      'postgres://h/db?connect_timeout=15',
      { host: ['h'], port: [5432], database: 'db', ssl: false, connectTimeout: 15 },
    ],
    [
      'postgres://h/db?options=endpoint%3Dx',
      { host: ['h'], port: [5432], database: 'db', ssl: false, options: 'endpoint=x' },
    ],
    ['postgres://h/db?target_session_attrs=read-write', { host: ['h'], port: [5432], database: 'db', ssl: false }],
    [
      'postgres://h/db?sslmode=require&sslnegotiation=direct',
      { host: ['h'], port: [5432], database: 'db', ssl: 'require', sslnegotiation: 'direct' },
    ],
  ])('reads %s', (url, address) => expect(read(url)).toEqual({ address, dropped: [] }));

  it.each<[string, unknown]>([
    ['sslmode=disable', false],
    ['sslmode=allow', 'prefer'],
    ['sslmode=prefer', 'prefer'],
    [`sslmode=prefer&sslrootcert=${CA}`, 'prefer'],
    ['sslmode=require', 'require'],
    ['ssl=no-verify', 'require'],
    ['ssl=false', false],
    [
      `sslmode=require&sslrootcert=${CA}`,
      {
        ca: expect.stringContaining('BEGIN CERTIFICATE'),
        rejectUnauthorized: true,
        checkServerIdentity: expect.any(Function),
      },
    ],
    ['sslmode=verify-ca', { rejectUnauthorized: true, checkServerIdentity: expect.any(Function) }],
    ['sslmode=verify-full', { rejectUnauthorized: true, host: 'h' }],
    ['ssl=true', { rejectUnauthorized: true, host: 'h' }],
    ['sslrootcert=system', { rejectUnauthorized: true, host: 'h' }],
    [
      `sslmode=require&sslcert=${CA}&sslkey=${CA}`,
      { cert: expect.any(String), key: expect.any(String), rejectUnauthorized: false },
    ],
  ])('TLS: %s', (query, ssl) => expect(read(`postgres://h/db?${query}`).address.ssl).toEqual(ssl));

  it.each([
    ['schema=public', ['schema']],
    ['pgbouncer=true&connection_limit=1&pool_timeout=0', ['pgbouncer', 'connection_limit', 'pool_timeout']],
    ['sslmode=require&channel_binding=require', ['channel_binding']],
    ['application_name=mine&statement_timeout=5', ['application_name', 'statement_timeout']],
    ['gssencmode=disable', ['gssencmode']],
  ])('drops by name what changes nothing here: %s', (query, dropped) =>
    expect(read(`postgres://h/db?${query}`).dropped).toEqual(dropped),
  );

  it.each<[string, RegExp]>([
    [`postgres://u:${SECRET}%@h/db`, /^the password holds a % that begins no escape; .* write % as %25/],
    [`postgres://u:${SECRET}%zz@h/db`, /^the password holds a %/],
    [`postgres://u:${SECRET}%ff@h/db`, /^the password holds escapes that are no UTF-8/],
    [`postgres://u:${SECRET}/x@h/db`, /\/ as %2F/],
    [`postgres://u:${SECRET}#x@h/db`, /# as %23/],
    [`postgres://u:${SECRET}?x@h/db`, /\? as %3F/],
    [`postgres://u:x?${SECRET}@h/db`, /\? as %3F/],
    ['postgres://a,b/db', /^several hosts are not supported: name one/],
    ['postgres://a:1,b:2/db?target_session_attrs=read-write', /^several hosts/],
    ['postgres:///db?host=a,b', /^several hosts/],
    ['postgres://h:70000/db', /^port: expected a number from 1 to 65535/],
    ['postgres://h:x/db', /^port: /],
    ['postgres://::1/db', /^host: .* IPv6 address in brackets/],
    [
      'postgres://h/db?sslmode=on',
      /^sslmode: expected one of disable, allow, prefer, require, verify-ca, verify-full$/,
    ],
    [
      `postgres://h/db?sslmode=verify-ca&sslrootcert=/nowhere/${SECRET}`,
      /^sslrootcert: the file cannot be read \(ENOENT\)$/,
    ],
    ['postgres://h/db?sslmode=require&sslrootcert=system', /^sslrootcert: system needs sslmode=verify-full$/],
    [`postgres://h/db?sslmode=prefer&sslcert=${CA}`, /^sslcert: needs sslmode=require/],
    ['postgres://h/db?sslnegotiation=fast', /^sslnegotiation: expected postgres or direct$/],
    ['postgres://h/db?sslaccept=strict', /^sslaccept: write sslmode=verify-full/],
    ['postgres://h/db?hostaddr=10.0.0.1', /^hostaddr: write the address as the host$/],
    ['postgres://h/db?gssencmode=require', /^gssencmode: /],
    ['postgres://h/db?target_session_attrs=standby', /^target_session_attrs: Lethe writes/],
    ['postgres://h/db?connect_timeout=0', /^connect_timeout: expected seconds from 1 to 300$/],
    ['postgres://h/db?connect_timeout=soon', /^connect_timeout: /],
    ['mysql://h/db', /^expected a URL that begins with postgres:\/\//],
    ['localhost', /^expected a URL/],
  ])('refuses %s in words, without a value', (url, words) => {
    const parsed = parseDatabaseUrl(url);
    expect(parsed).toEqual({ problem: expect.stringMatching(words) });
    expect(JSON.stringify(parsed)).not.toContain(SECRET);
  });
});
