import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerOptions } from 'node:http';
import type { Socket } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import type { Hono } from 'hono';
import { clientAddress } from './client-address.ts';

/** How much a server takes from its clients. Times are in milliseconds. */
export type ServerLimits = {
  /** Connections in all; `ofAddress`: those of one address, where no proxy stands between. */
  connections: number;
  ofAddress: number;
  /** Requests that one connection may have open at once. One that sends more ahead is cut off. */
  ahead: number;
  /** Requests after which a connection is closed. Clients that come back are spread over the processes anew. */
  perConnection: number;
  /** Bytes of answers that clients have not taken yet, over all connections. */
  unread: number;
  /** A connection that has a request is cut off when nothing has moved over it for so long. */
  stuckMs: number;
  headersMs: number;
  requestMs: number;
  idleMs: number;
  /** From one look at the times and the unread bytes to the next. */
  lookMs: number;
};

/** Those of the API, with room for as many event streams as `viewers` takes. Tests make them smaller. */
export const API_LIMITS: ServerLimits = {
  connections: 12_000,
  ofAddress: 3_000,
  ahead: 16,
  perConnection: 1_000,
  unread: 64 * 1024 * 1024,
  stuckMs: 30_000,
  headersMs: 10_000,
  requestMs: 15_000,
  idleMs: 65_000,
  lookMs: 500,
};

/** Those of the second port, which probes and scrapers ask. */
export const INSIDE_LIMITS: ServerLimits = {
  ...API_LIMITS,
  connections: 400,
  ofAddress: 100,
  unread: 16 * 1024 * 1024,
};

/**
 * A server for the application whose memory its clients cannot fill. It answers a connection's requests one after
 * another: it looks at the next one when the socket has taken the answer before. Node alone reads ahead and keeps the
 * answers to a whole packet: 1,700 answers of 60 KB for 64 KB of requests. `reach` gives what the application sees of a
 * request's target.
 */
export function createBoundedServer(
  fetch: Hono['fetch'],
  options: { limits: ServerLimits; hostname: string; trustedProxies: number; reach?: (target: string) => string },
): Server {
  const { limits, reach } = options;
  const serverOptions: ServerOptions = {
    headersTimeout: limits.headersMs,
    requestTimeout: limits.requestMs,
    keepAliveTimeout: limits.idleMs,
    // By default Node looks at the times above every half minute only.
    connectionsCheckingInterval: limits.lookMs,
    // We refuse a request without Host in its turn: Node's own refusals are outside of all limits.
    requireHostHeader: false,
  };
  const server = createAdaptorServer({
    fetch,
    hostname: options.hostname,
    serverOptions,
    createServer: (given: ServerOptions, answer: RequestListener) => {
      const take = createTurns(limits);
      const bounded = createServer(given, (request, response) =>
        take(request, response, () => {
          if (request.headers.host === undefined && request.httpVersion === '1.1')
            return void response.writeHead(400, { Connection: 'close' }).end();
          if (reach) request.url = reach(request.url ?? '');
          answer(request, response);
        }),
      );
      bounded.on('checkExpectation', (request, response) =>
        take(request, response, () => void response.writeHead(417).end()),
      );
      return bounded;
    },
  } as Parameters<typeof createAdaptorServer>[0]) as Server;
  server.timeout = limits.stuckMs;
  server.maxConnections = limits.connections;
  // Behind a proxy all connections are the proxy's.
  if (options.trustedProxies === 0) limitAddresses(server, limits.ofAddress);
  limitAhead(server, limits);
  limitUnread(server, limits);
  return server;
}

type Take = (request: IncomingMessage, response: Parameters<RequestListener>[1], answer: () => void) => void;
type Line = { waiting: (() => void)[]; count: number };
/** What Node's parser does with a request. A negative number makes it stop reading the packet. */
type Parsing = { parser?: { onIncoming?: (request: IncomingMessage, keepAlive: boolean) => number } };

const lines = new WeakMap<Socket, Line>();
const lineOf = (socket: Socket): Line => {
  const line = lines.get(socket) ?? { waiting: [], count: 0 };
  lines.set(socket, line);
  return line;
};

/** Answers the requests of a connection one by one. */
function createTurns({ ahead, perConnection }: ServerLimits): Take {
  return ({ socket }, response, answer) => {
    if (socket.destroyed) return;
    const line = lineOf(socket);
    if (line.waiting.length >= ahead) return void socket.destroy();
    if (++line.count >= perConnection) response.shouldKeepAlive = false;
    line.waiting.push(() => {
      response.once('close', () => {
        line.waiting.shift();
        // After the last answer of a connection nobody waits for the others.
        if (socket.destroyed || socket.writableEnded) line.waiting.length = 0;
        line.waiting[0]?.();
      });
      answer();
    });
    if (line.waiting.length === 1) line.waiting[0]?.();
  };
}

/**
 * Cuts off a client that sends more than `ahead` requests at once. Destroying the socket is not enough: Node parses the
 * rest of the packet all the same. It makes two objects for each 38 bytes, which filled the memory by themselves.
 */
function limitAhead(server: Server, { ahead }: ServerLimits): void {
  server.on('connection', (socket: Socket & Parsing) => {
    const parse = socket.parser?.onIncoming;
    if (!socket.parser || !parse) return;
    const line = lineOf(socket);
    socket.parser.onIncoming = (request, keepAlive) => {
      if (line.waiting.length < ahead) return parse(request, keepAlive);
      socket.destroy();
      return -1;
    };
  });
}

/** Closes connections of an address that has `most` of them already. */
function limitAddresses(server: Server, most: number): void {
  const open = new Map<string, number>();
  server.prependListener('connection', (socket: Socket) => {
    const address = clientAddress(socket.remoteAddress, undefined, 0);
    const count = (open.get(address) ?? 0) + 1;
    open.set(address, count);
    socket.once('close', () => {
      const left = (open.get(address) ?? 1) - 1;
      if (left > 0) open.set(address, left);
      else open.delete(address);
    });
    if (count > most) socket.destroy();
  });
}

/** Cuts off those with the most unread bytes while all together have more than there is room for. */
function limitUnread(server: Server, { unread, lookMs }: ServerLimits): void {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  const look = setInterval(() => {
    const full = [...sockets].filter((socket) => socket.writableLength > 0);
    let sum = full.reduce((bytes, socket) => bytes + socket.writableLength, 0);
    if (sum <= unread) return;
    for (const socket of full.sort((a, b) => b.writableLength - a.writableLength)) {
      if (sum <= unread) break;
      sum -= socket.writableLength;
      socket.destroy();
    }
  }, lookMs).unref();
  server.once('close', () => clearInterval(look));
}
