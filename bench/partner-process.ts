/** A partner of `partners.ts`, in a process of its own: it answers at once, or not at all. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What it is told: `answers`, `hangs`, or `away`, where connections are refused. */
export type Told = { mode: 'answers' | 'hangs' | 'away' };
/** What it says once it has done so. `port` stays the same. */
export type Said = { port: number };

const waiting = new Set<ServerResponse>();
let hangs = false;
const server = createServer((request, response) => {
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
  if (mode === 'away') await shut();
  else if (!server.listening) await listen();
  if (mode === 'answers') for (const response of waiting) response.writeHead(204).end();
  waiting.clear();
  process.send?.({ port } satisfies Said);
}

await listen();
port = (server.address() as AddressInfo).port;
process.send?.({ port } satisfies Said);
process.on('message', (told: Told) => void obey(told));
process.on('disconnect', () => process.exit(0));
