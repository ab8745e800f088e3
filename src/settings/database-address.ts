import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import { AddressProblem, decodePart, ESCAPES, orProblem, readLogin, readQuery } from './url-parts.ts';

/** What the driver is told. It is never given the URL: it would send what it does not know to the server, which refuses it. */
export type DatabaseAddress = {
  /** Of TCP; a socket's folder is in `path`. */
  host: string[];
  port: number[];
  path?: string;
  database?: string;
  username?: string;
  password?: string;
  ssl: false | 'prefer' | 'require' | ConnectionOptions;
  sslnegotiation?: 'direct';
  /** Seconds. */
  connectTimeout?: number;
  /** Start-up options that the operator asked for. */
  options?: string;
};

/** `dropped`: parts that change nothing here, by name. */
export type ParsedAddress = { address: DatabaseAddress; dropped: string[] } | { problem: string };

const URL_FORM = /^postgres(?:ql)?:\/\/(?:([^/?#]*)@)?([^/?#@]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/;
const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'];
/** Parts that mean the same as others. */
const SAME: Record<string, string> = { ssl: 'sslmode', dbname: 'database', username: 'user', sslca: 'sslrootcert' };
const KNOWN = [
  'host',
  'port',
  'user',
  'password',
  'database',
  'sslmode',
  'sslrootcert',
  'sslcert',
  'sslkey',
  'sslpassword',
  'sslnegotiation',
  'connect_timeout',
  'options',
  'target_session_attrs',
];
/** What leaving out would weaken. */
const REFUSED: Record<string, string> = {
  sslaccept: 'write sslmode=verify-full for strict, sslmode=require for accept_invalid_certs',
  sslcrl: 'certificate revocation lists are not read',
  sslcrldir: 'certificate revocation lists are not read',
  requirepeer: 'the peer of a socket is not checked',
  require_auth: 'the method of authentication cannot be chosen',
  hostaddr: 'write the address as the host',
  service: 'service files are not read: write host, user and database',
  passfile: 'password files are not read: use DATABASE_URL_FILE',
};

/**
 * Reads a `DATABASE_URL` in the forms that libpq and providers give it. Every part is honoured, or dropped by name because it
 * changes nothing here, or a problem that names the part. No text of it holds a value: the password may be in any.
 */
export const parseDatabaseUrl = (text: string): ParsedAddress => orProblem(() => parse(text));

function parse(text: string): { address: DatabaseAddress; dropped: string[] } {
  if (!/^postgres(ql)?:\/\//.test(text))
    throw new AddressProblem('expected a URL that begins with postgres:// or postgresql://');
  const found = URL_FORM.exec(text);
  if (!found) throw new AddressProblem(`expected postgres://user:password@host:port/database; ${ESCAPES}`);
  const [, login = '', place = '', path = '', query = ''] = found;
  if (path.includes('@')) throw new AddressProblem(`expected one @, behind the password; ${ESCAPES}`);
  const { parts, dropped } = sortParts(query);
  const { username, password } = readLogin(login);
  const user = parts.get('user') ?? username;
  const secret = parts.get('password') ?? password;
  const database = parts.get('database') ?? (path === '' ? undefined : decodePart(path, 'database'));
  const where = placeOf(place, parts);
  const seconds = parts.get('connect_timeout');
  if (seconds !== undefined && !(/^\d{1,3}$/.test(seconds) && Number(seconds) >= 1 && Number(seconds) <= 300))
    throw new AddressProblem('connect_timeout: expected seconds from 1 to 300');
  checkTarget(parts.get('target_session_attrs'));
  return {
    address: {
      ...where,
      ...(database === undefined ? {} : { database }),
      ...(user === undefined ? {} : { username: user }),
      ...(secret === undefined ? {} : { password: secret }),
      ssl: where.path === undefined ? tlsOf(parts, where.host[0] as string) : false,
      ...(negotiatesDirectly(parts) ? { sslnegotiation: 'direct' } : {}),
      ...(seconds === undefined ? {} : { connectTimeout: Number(seconds) }),
      ...(parts.has('options') ? { options: parts.get('options') as string } : {}),
    },
    dropped,
  };
}

function sortParts(query: string): { parts: Map<string, string>; dropped: string[] } {
  const parts = new Map<string, string>();
  const dropped: string[] = [];
  for (const [written, value] of readQuery(query)) {
    const name = SAME[written.toLowerCase()] ?? written.toLowerCase();
    if (Object.hasOwn(REFUSED, name)) throw new AddressProblem(`${name}: ${REFUSED[name]}`);
    if (name === 'gssencmode' && value === 'require')
      throw new AddressProblem('gssencmode: GSS encryption is not supported');
    if (!KNOWN.includes(name)) dropped.push(name);
    else if (value !== '') parts.set(name, decodePart(value, name));
  }
  return { parts, dropped };
}

function placeOf(place: string, parts: Map<string, string>): Pick<DatabaseAddress, 'host' | 'port' | 'path'> {
  const [, inUrl, portInUrl] = /^(\[[^\]]*\]|[^:]*)(?::([^:]*))?$/.exec(place) ?? [];
  if (/,/.test(place) || /,/.test(parts.get('host') ?? '') || /,/.test(parts.get('port') ?? ''))
    throw new AddressProblem(
      'several hosts are not supported: name one that leads to the primary (a proxy, or a name in the DNS)',
    );
  if (inUrl === undefined)
    throw new AddressProblem(`host: expected a name, an IPv4 address, or an IPv6 address in brackets; ${ESCAPES}`);
  const host = parts.get('host') ?? decodePart(inUrl, 'host');
  const port = Number(parts.get('port') || portInUrl || 5432);
  if (!Number.isInteger(port) || port < 1 || port > 65535)
    throw new AddressProblem(`port: expected a number from 1 to 65535; ${ESCAPES}`);
  if (host.startsWith('/')) return { host: ['localhost'], port: [port], path: `${host}/.s.PGSQL.${port}` };
  if (host.startsWith('@')) throw new AddressProblem('host: sockets in the abstract namespace are not supported');
  const bare = host.replace(/^\[(.*)\]$/, '$1');
  if (bare.startsWith('[') || /[\s/\\]/.test(bare))
    throw new AddressProblem(`host: expected a name or an address; ${ESCAPES}`);
  return { host: [bare === '' ? 'localhost' : bare], port: [port] };
}

function checkTarget(target: string | undefined): void {
  if (target === undefined || ['any', 'read-write', 'primary'].includes(target)) return;
  throw new AddressProblem('target_session_attrs: Lethe writes, so expected read-write, primary or any');
}

/** TLS as libpq's sslmode says; without one, none. A certificate authority with `require` makes it `verify-ca`, as there. */
function tlsOf(parts: Map<string, string>, host: string): DatabaseAddress['ssl'] {
  const system = parts.get('sslrootcert') === 'system';
  const written = parts.get('sslmode');
  const mode = written === undefined ? (system ? 'verify-full' : 'disable') : modeOf(written);
  if (system && mode !== 'verify-full') throw new AddressProblem('sslrootcert: system needs sslmode=verify-full');
  if (mode === 'disable') return false;
  const file = (name: string) => {
    const path = parts.get(name);
    return path === undefined || (name === 'sslrootcert' && system) ? undefined : readPart(name, path);
  };
  const own: ConnectionOptions = {};
  const [ca, cert, key] = [file('sslrootcert'), file('sslcert'), file('sslkey')];
  if (ca) own.ca = ca;
  if (cert) own.cert = cert;
  if (key) own.key = key;
  if (parts.has('sslpassword')) own.passphrase = parts.get('sslpassword') as string;
  if (mode === 'allow' || mode === 'prefer') {
    if (cert || key) throw new AddressProblem('sslcert: needs sslmode=require, verify-ca or verify-full');
    return 'prefer';
  }
  // For an address, which it sends no name for, the driver would compare the certificate with `localhost`.
  if (mode === 'verify-full') return { ...own, rejectUnauthorized: true, host };
  if (mode === 'verify-ca' || ca) return { ...own, rejectUnauthorized: true, checkServerIdentity: () => undefined };
  return Object.keys(own).length === 0 ? 'require' : { ...own, rejectUnauthorized: false };
}

function modeOf(written: string): string {
  // `ssl=true`, as other drivers know it, checks the certificate: it must not come to mean less.
  const mode =
    { true: 'verify-full', '1': 'verify-full', false: 'disable', '0': 'disable', 'no-verify': 'require' }[written] ??
    written;
  if (SSL_MODES.includes(mode)) return mode;
  throw new AddressProblem(`sslmode: expected one of ${SSL_MODES.join(', ')}`);
}

function readPart(name: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new AddressProblem(`${name}: the file cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}

function negotiatesDirectly(parts: Map<string, string>): boolean {
  const way = parts.get('sslnegotiation');
  if (way === undefined || way === 'postgres') return false;
  if (way === 'direct') return true;
  throw new AddressProblem('sslnegotiation: expected postgres or direct');
}
