/** A host and port of loopback or the network. */
export type RedisNode = { host: string; port: number };
type Several = { username?: string; password?: string; tls: boolean };

/** Where Redis is: at one address, in a cluster of which these nodes are known, or where Sentinels say the master is. */
export type RedisAddress =
  | { kind: 'node'; url: string }
  | (Several & { kind: 'cluster'; nodes: RedisNode[] })
  | (Several & { kind: 'sentinel'; sentinels: RedisNode[]; master: string });

const PORTS = { cluster: 6379, sentinel: 26379 };
const SEVERAL = /^redis(s?)\+(cluster|sentinel):\/\/(?:([^@/,]*)@)?([^@/?#]+)(?:\/([\w.-]*))?$/;

/** What `REDIS_URL` may look like, for whoever wrote it differently. */
export const REDIS_URL_FORMS =
  'a URL that begins with redis:// or rediss://, or redis+cluster://host:port,host:port or redis+sentinel://host:port,host:port/master';

/**
 * Reads `REDIS_URL`; undefined when it is none. Several hosts are no URL by the standard, so those forms are taken
 * apart here. A `+cluster` or `+sentinel` address with `rediss` uses TLS everywhere.
 */
export function parseRedisUrl(text: string): RedisAddress | undefined {
  const several = SEVERAL.exec(text);
  if (!several) return isNode(text) ? { kind: 'node', url: text } : undefined;
  const [, s, kind, login = '', list = '', path = ''] = several;
  const nodes = list.split(',').map((host) => nodeOf(host, PORTS[kind as keyof typeof PORTS]));
  const credentials = credentialsOf(login);
  if (!credentials || !nodes.every((node) => node !== undefined)) return undefined;
  const shared = { ...credentials, tls: s === 's' };
  // A cluster has one database and no name: a path would be ignored without a word.
  if (kind === 'cluster') return path === '' ? { kind, nodes, ...shared } : undefined;
  return path === '' ? undefined : { kind: 'sentinel', sentinels: nodes, master: path, ...shared };
}

/** `redis://a,b` parses, as one host with a comma in its name. */
function isNode(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname } = new URL(text);
  return /^rediss?:$/.test(protocol) && !hostname.includes(',');
}

function nodeOf(text: string, standard: number): RedisNode | undefined {
  const url = `redis://${text}`;
  if (!URL.canParse(url)) return undefined;
  const { hostname, port } = new URL(url);
  if (hostname === '') return undefined;
  return { host: hostname.replace(/^\[(.*)\]$/, '$1'), port: port === '' ? standard : Number(port) };
}

/** `user:password`, `:password`, or nothing; percent-encoded as in any URL. */
function credentialsOf(login: string): { username?: string; password?: string } | undefined {
  const [, username = '', password = ''] = /^([^:]*):?(.*)$/.exec(login) ?? [];
  try {
    return {
      ...(username === '' ? {} : { username: decodeURIComponent(username) }),
      ...(password === '' ? {} : { password: decodeURIComponent(password) }),
    };
  } catch {
    return undefined;
  }
}
