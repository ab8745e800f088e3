/** A partner of `partners.ts`, in a process of its own: it answers at once, or not at all. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** What it is told: `answers`, `hangs`, `away`, where connections are refused, or `keeps`: it says that it erases, and does not. */
export type Told = { mode: 'answers' | 'hangs' | 'away' | 'keeps' };
/** What it says once it has done so. `port` stays the same. */
export type Said = { port: number; requests: number; canaries: number };

const waiting = new Set<ServerResponse>();
let hangs = false;
let keeps = false;
/** Of any kind, and those that plant test data or look for it. */
let requests = 0;
let canaries = 0;

/** Says that test data is planted and then that it is gone; `keeps`: that it is still there. */
async function answerCanary(request: IncomingMessage, response: ServerResponse): Promise<void> {
  canaries += 1;
  const { id, type } = JSON.parse(await text(request)) as { id: string; type: string };
  const planted = { task: id, status: 'planted', items: 1 };
  const seen = { task: id, status: keeps ? 'present' : 'absent' };
  response.writeHead(200, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify(type === 'lethe.canary.plant' ? planted : seen));
}

const server = createServer((request, response) => {
  requests += 1;
  if (request.url === '/canary') return void answerCanary(request, response);
  request.resume();
  request.on('end', () => {
    if (hangs) waiting.add(response);
    else response.writeHead(204).end();
  });
});
server.keepAliveTimeout = 60_000;
let port = 0;

const listen = () => new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
const shut = () =>
  new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });

async function obey({ mode }: Told): Promise<void> {
  hangs = mode === 'hangs';
  keeps = mode === 'keeps';
  if (mode === 'away') await shut();
  else if (!server.listening) await listen();
  if (mode === 'answers') for (const response of waiting) response.writeHead(204).end();
  waiting.clear();
  process.send?.({ port, requests, canaries } satisfies Said);
}

await listen();
port = (server.address() as AddressInfo).port;
process.send?.({ port, requests, canaries } satisfies Said);
process.on('message', (told: Told) => void obey(told));
process.on('disconnect', () => process.exit(0));
