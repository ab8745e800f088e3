import { AddressProblem, decodePart, ESCAPES, orProblem, readLogin, readQuery } from './url-parts.ts';

/** A host and port of loopback or the network. */
export type RedisNode = { host: string; port: number };
type Login = { username?: string; password?: string };
type Several = Login & { tls: boolean };

/** What the client is told about one node. It is never given the URL: what stands there would overrule our own settings. */
export type NodeOptions = Login & { db?: number; family?: 0 | 4 | 6; tls?: object } & (RedisNode | { path: string });

/** Where Redis is: at one address, in a cluster of which these nodes are known, or where Sentinels say the master is. */
export type RedisAddress =
  | { kind: 'node'; options: NodeOptions; dropped: string[] }
  | (Several & { kind: 'cluster'; nodes: RedisNode[] })
  | (Several & { kind: 'sentinel'; sentinels: RedisNode[]; master: string });

const PORTS = { node: 6379, cluster: 6379, sentinel: 26379 };
const SEVERAL = /^redis(s?)\+(cluster|sentinel):\/\/(?:([^@/,]*)@)?([^@/?#]+)(?:\/([\w.-]*))?$/;
const NODE = /^redis(s?):\/\/(?:([^/?#]*)@)?([^/?#@]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/;
const SOCKET = /^(?:redis\+)?unix:\/\/(?:([^/?#]*)@)?(\/[^?#@]+)(?:\?([^#]*))?$/;

/** What `REDIS_URL` may look like, for whoever wrote it differently. */
const FORMS =
  'a URL that begins with redis:// or rediss://, unix:///path, or redis+cluster://host:port,host:port or redis+sentinel://host:port,host:port/master';

/**
 * Reads `REDIS_URL`. Several hosts are no URL by the standard, so all forms are taken apart here. A `+cluster` or `+sentinel`
 * address with `rediss` uses TLS everywhere. `dropped`: parts of the query that change nothing here, by name. No problem holds a value.
 */
export const parseRedisUrl = (text: string): RedisAddress | { problem: string } =>
  orProblem(() => {
    const [several, node, socket] = [SEVERAL.exec(text), NODE.exec(text), SOCKET.exec(text)];
    if (several) return readSeveral(several);
    if (node) return readNode(node);
    if (socket) return readSocket(socket);
    throw new AddressProblem(`expected ${FORMS}${/^rediss?:/.test(text) ? `; ${ESCAPES}` : ''}`);
  });

function readSeveral([, s, kind, login = '', list = '', path = '']: RegExpExecArray): RedisAddress {
  const nodes = list.split(',').map((host) => nodeOf(host, PORTS[kind as keyof typeof PORTS]));
  const shared = { ...loginOf(login), tls: s === 's' };
  // A cluster has one database and no name: a path would be ignored without a word.
  if (kind === 'cluster') {
    if (path !== '') throw new AddressProblem('a cluster has one database: leave out what follows the /');
    return { kind, nodes, ...shared };
  }
  if (path === '') throw new AddressProblem(`Sentinels need the name of their master: expected ${FORMS}`);
  return { kind: 'sentinel', sentinels: nodes, master: path, ...shared };
}

function readNode([, s, login = '', place = '', path = '', query = '']: RegExpExecArray): RedisAddress {
  if (place.includes(',')) throw new AddressProblem(`expected ${FORMS}`);
  if (path.includes('@')) throw new AddressProblem(`expected one @, behind the password; ${ESCAPES}`);
  const { dropped, ...more } = sortParts(query);
  const db = path === '' ? {} : { db: databaseOf(path) };
  const tls = s === 's' ? { tls: {} } : {};
  const at = nodeOf(place === '' ? 'localhost' : place, PORTS.node);
  return { kind: 'node', options: { ...at, ...loginOf(login), ...more, ...db, ...tls }, dropped };
}

function readSocket([, login = '', path = '', query = '']: RegExpExecArray): RedisAddress {
  const { dropped, ...more } = sortParts(query);
  return { kind: 'node', options: { path: decodePart(path, 'path'), ...loginOf(login), ...more }, dropped };
}

function sortParts(query: string): { db?: number; family?: 0 | 4 | 6; dropped: string[] } {
  const read: ReturnType<typeof sortParts> = { dropped: [] };
  for (const [name, value] of readQuery(query)) {
    if (/^(tls|ssl)$/i.test(name) && !/^(false|0|no)$/i.test(value))
      throw new AddressProblem(`${name}: for TLS write rediss://`);
    if (/^(user(name)?|password)$/i.test(name)) throw new AddressProblem(`${name}: write redis://user:password@host`);
    if (name === 'db') read.db = databaseOf(value);
    else if (name === 'family') read.family = familyOf(value);
    else read.dropped.push(name);
  }
  return read;
}

function databaseOf(text: string): number {
  if (/^\d{1,5}$/.test(text)) return Number(text);
  throw new AddressProblem('the database, which follows the /, must be a number; a socket is written unix:///path');
}

function familyOf(text: string): 0 | 4 | 6 {
  if (text === '0' || text === '4' || text === '6') return Number(text) as 0 | 4 | 6;
  throw new AddressProblem('family: expected 4, 6, or 0 for both');
}

function nodeOf(text: string, standard: number): RedisNode {
  const [, host, port] = /^(\[[\da-f:.]+(?:%\w+)?\]|[^:[\]\s]+)(?::(\d{1,5}))?$/i.exec(text) ?? [];
  const number = port === undefined ? standard : Number(port);
  if (host === undefined || number < 1 || number > 65_535)
    throw new AddressProblem(
      `expected host:port, with an IPv6 address in brackets and a port from 1 to 65535; ${ESCAPES}`,
    );
  return { host: decodePart(host.replace(/^\[(.*)\]$/, '$1'), 'host'), port: number };
}

function loginOf(login: string): Login {
  const read = readLogin(login);
  // The client would not sign in at all, and Redis refuse every command.
  if (read.username !== undefined && read.password === undefined)
    throw new AddressProblem('a user without a password: write redis://user:password@host, or redis://:password@host');
  return read;
}
