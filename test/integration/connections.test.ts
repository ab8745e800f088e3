import { once } from 'node:events';
import type { Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { promisify } from 'node:util';
import { Hono } from 'hono';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { peakMemory } from '../../dev/evidence.ts';
import type { Running } from '../../dev/process.ts';
import { API_LIMITS, createBoundedServer, type ServerLimits } from '../../src/http/server/limits.ts';
import { accepted, LARGE, subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { createWorld, KEYS, type World } from '../support/world.ts';

/** What one client holds open, and what it sends over each without reading an answer: 6 MB in all. */
const CONNECTIONS = 84;
const AHEAD = 1_700;
/** What the process may grow by, in MiB: the answers would be eight gigabytes. */
const MOST_GROWTH = 300;

let world: World;
let child: Running;
let ports: { api: number; metrics: number };
let link: string;
const sockets: Socket[] = [];

beforeAll(async () => {
  world = await createWorld({ env: { LETHE_METRICS_PORT: '0' } });
  const { account } = await subject(world.sql, LARGE);
  const call = await world.api({ LETHE_METRICS_PORT: '' });
  link = (await accepted(call, account)).link;
  child = world.spawn(['api'], { NODE_OPTIONS: '--max-old-space-size=512' });
  const port = (name: string) =>
    until(`${name} is told`, () => new RegExp(`"${name}":(\\d+)`).exec(child.output())?.[1], 60_000).then(Number);
  ports = { api: await port('port'), metrics: await port('metricsPort') };
});
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});
afterAll(() => world?.close());

/** A client's connection. `got`: what has come over it, while it reads. */
function open(port: number, localAddress = '127.0.0.1') {
  const socket = connect({ port, host: '127.0.0.1', localAddress });
  sockets.push(socket);
  const seen = { socket, got: '', closed: false, opened: performance.now(), closedAfter: 0 };
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => {
    seen.got += chunk;
  });
  socket.on('close', () => {
    seen.closed = true;
    seen.closedAfter = performance.now() - seen.opened;
  });
  return seen;
}
const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`;
const statuses = (text: string) => [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map((m) => m[1]);

describe('answers that nobody reads', () => {
  it.each<[string, () => [number, string]]>([
    ['the contract', () => [ports.api, get('/openapi.json')]],
    ['a style sheet', () => [ports.api, get('/assets/status.css')]],
    ['the sign-in form', () => [ports.api, get('/admin/login')]],
    ['a status page', () => [ports.api, get(link.replace('/v1/erasures/', '/status/'))]],
    ['an event stream', () => [ports.api, get(link.replace('?', '/events?'))]],
    [
      'requests that the server itself refuses',
      () => [ports.api, `${get(link)}${'GET / HTTP/1.1\r\n\r\n'.repeat(20)}`],
    ],
    ['metrics', () => [ports.metrics, get('/metrics')]],
  ])('of %s fill no memory, and others are served meanwhile', async (_, what) => {
    const [port, request] = what();
    const before = peakMemory(child.pid) as number;
    for (let n = 0; n < CONNECTIONS; n++) {
      const { socket } = open(port);
      socket.pause();
      socket.write(request.repeat(AHEAD));
    }
    const slowest = { ms: 0 };
    const end = performance.now() + 3_000;
    while (performance.now() < end) {
      const began = performance.now();
      const answer = await fetch(`http://127.0.0.1:${port}/healthz`, { signal: AbortSignal.timeout(20_000) });
      expect(await answer.json()).toEqual({ status: 'ok' });
      slowest.ms = Math.max(slowest.ms, performance.now() - began);
    }
    expect(slowest.ms).toBeLessThan(10_000);
    expect((peakMemory(child.pid) as number) - before).toBeLessThan(MOST_GROWTH);
    expect(child.child.exitCode).toBeNull();
  });
});

describe('one connection', () => {
  it('gets the answers to what it sent ahead, in their order', async () => {
    const { socket, ...rest } = open(ports.api);
    let got = '';
    socket.on('data', (chunk: Buffer) => {
      got += chunk;
    });
    socket.write(get('/healthz') + get('/none') + get('/readyz') + get('/admin'));
    await until('all are answered', () => statuses(got).length === 4);
    expect(statuses(got)).toEqual(['200', '404', '200', '303']);
    expect(rest.closed).toBe(false);
  });

  it('without a Host is refused, and so is an expectation', async () => {
    const client = open(ports.api);
    client.socket.write('GET /healthz HTTP/1.1\r\nHost: a\r\nExpect: more\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n');
    await until('it is closed', () => client.closed);
    expect(statuses(client.got)).toEqual(['417', '400']);
  });
});

describe('a server with small limits', () => {
  const large = 'x'.repeat(100_000);
  const app = new Hono().get('/healthz', (c) => c.json({ status: 'ok' })).get('/large', (c) => c.text(large));
  const servers: Server[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) {
      server.close();
      server.closeAllConnections();
    }
  });

  /** One that no proxy stands before, unless told. */
  async function serverWith(limits: Partial<ServerLimits>, trustedProxies = 0) {
    const hostname = '127.0.0.1';
    const server = createBoundedServer(app.fetch, { limits: { ...API_LIMITS, ...limits }, hostname, trustedProxies });
    servers.push(server);
    server.listen(0, hostname);
    await once(server, 'listening');
    const connections = () => promisify(server.getConnections.bind(server))();
    const taken = { count: 0 };
    server.on('connection', () => taken.count++);
    return { port: (server.address() as AddressInfo).port, connections, taken };
  }
  const served = async (port: number, from: string) => {
    const one = open(port, from);
    one.socket.write(get('/healthz'));
    await until('it is served or closed', () => one.closed || one.got.includes('"ok"'));
    return one.got.includes('"ok"');
  };

  it('gives an address no more than its share', async () => {
    const { port } = await serverWith({ connections: 30, ofAddress: 10 });
    const mine = Array.from({ length: 25 }, () => open(port));
    await until('all but ten are closed', () => mine.filter((one) => one.closed).length === 15);
    expect(await served(port, '127.0.0.2')).toBe(true);
    // Places are given back.
    mine.find((one) => !one.closed)?.socket.destroy();
    await until('there is a place again', () => served(port, '127.0.0.1'));
  });

  it('gives a trusted proxy all of it, and takes no more than there is room for', async () => {
    const { port, connections } = await serverWith({ connections: 30, ofAddress: 10 }, 1);
    const all = Array.from({ length: 40 }, () => open(port));
    await until('the rest are closed', () => all.filter((one) => one.closed).length === 10);
    expect(await connections()).toBe(30);
  });

  it('tells a connection to come back after many requests', async () => {
    const { port } = await serverWith({ perConnection: 8 });
    const client = open(port);
    for (let n = 1; n <= 8; n++) {
      client.got = '';
      client.socket.write(get('/healthz'));
      await until('it is answered', () => client.got.includes('"ok"'));
      expect(/^connection: close/im.test(client.got)).toBe(n === 8);
    }
    await until('it is closed', () => client.closed);
  });

  it('answers no more of what was sent ahead than that', async () => {
    const { port } = await serverWith({ perConnection: 8 });
    const client = open(port);
    client.socket.write(get('/healthz').repeat(12));
    await until('it is closed', () => client.closed);
    expect(statuses(client.got)).toEqual(Array(8).fill('200'));
  });

  it('cuts off who takes nothing', async () => {
    const { port, connections, taken } = await serverWith({ ahead: 500, stuckMs: 1_000 });
    const { socket } = open(port);
    socket.pause();
    socket.write(get('/large').repeat(400));
    await until('it is connected', () => taken.count === 1);
    await until('it is cut off', async () => (await connections()) === 0);
  });

  it('cuts off some of those who take nothing when all together have too much', async () => {
    const { port, connections, taken } = await serverWith({ ahead: 500, unread: 450_000, lookMs: 100 });
    for (let n = 0; n < 10; n++) {
      const { socket } = open(port);
      socket.pause();
      socket.write(get('/large').repeat(400));
    }
    await until('all are connected', () => taken.count === 10);
    await until('some are cut off', async () => (await connections()) <= 4);
    expect(await served(port, '127.0.0.2')).toBe(true);
    expect(await connections()).toBeGreaterThan(1);
  });
});

describe('a client that is slow', () => {
  it.each(['api', 'metrics'] as const)('in asking is cut off in time on the port of the %s', async (which) => {
    const silent = open(ports[which]);
    const headers = open(ports[which]);
    headers.socket.write('GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: ');
    const body = open(ports[which]);
    body.socket.write(
      `POST /v1/accounts/1/erasure HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${KEYS.write}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{`,
    );
    await until('all are closed', () => silent.closed && headers.closed && body.closed, 60_000);
    for (const [one, ms] of [
      [silent, 10_000],
      [headers, 10_000],
      [body, 15_000],
    ] as const)
      expect(one.closedAfter).toBeLessThan(ms + 4_000);
    expect(headers.closedAfter).toBeGreaterThan(9_000);
    // The second port answers before it has the body.
    if (which === 'api') expect(body.closedAfter).toBeGreaterThan(14_000);
  });
});
