import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Acknowledgement, acknowledgementSchema } from '../message.ts';
import { MOST_BYTES } from '../request.ts';

/** What was heard about a task: what it said, or why that did not count, with the status that it was answered with. */
export type Heard =
  | { readonly said: Acknowledgement['status'] }
  | { readonly problem: string; readonly status: number };

/** Takes acknowledgements as the API of Lethe does. */
export type Listener = {
  /** In the place of Lethe's public URL. */
  readonly publicUrl: string;
  tokenOf(task: string): string;
  /** What counted, or else the last that did not; undefined: nothing within so many milliseconds. */
  heard(task: string, withinMs: number): Promise<Heard | undefined>;
  close(): Promise<void>;
};

/** `at`: where the partner reaches this process, with a port; undefined: on this machine alone, at a port that is free. */
export async function listen(at: string | undefined): Promise<Listener> {
  const key = randomBytes(32);
  const tokenOf = (task: string) => `v1.${createHmac('sha256', key).update(task).digest('base64url')}`;
  const counted = new Map<string, Heard>();
  const refused = new Map<string, Heard>();
  let told = () => {};

  const server = createServer(async (request, response) => {
    const task = /\/v1\/tasks\/([^/?#]+)\/ack$/.exec(request.url ?? '')?.[1] ?? '';
    const heard = await read(request, task, tokenOf(task)).catch(() => undefined);
    if (heard) ('said' in heard ? counted : refused).set(task, heard);
    const status = heard === undefined ? 400 : 'said' in heard ? 200 : heard.status;
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(status === 200 ? { task, settled: true } : { status }));
    told();
  });
  const port = at === undefined ? 0 : Number(new URL(at).port || (at.startsWith('https:') ? 443 : 80));
  server.listen(port, at === undefined ? '127.0.0.1' : '0.0.0.0');
  await once(server, 'listening');
  const publicUrl = at ?? `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  return {
    publicUrl,
    tokenOf,
    heard: async (task, withinMs) => {
      const end = Date.now() + withinMs;
      while (!counted.has(task) && Date.now() < end)
        await new Promise<void>((go) => {
          const timer = setTimeout(go, Math.min(end - Date.now(), 1000));
          told = () => {
            clearTimeout(timer);
            go();
          };
        });
      return counted.get(task) ?? refused.get(task);
    },
    close: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function read(request: IncomingMessage, task: string, token: string): Promise<Heard> {
  if (request.method !== 'POST') return { problem: `an acknowledgement by ${request.method}`, status: 405 };
  const given = Buffer.from(request.headers.authorization ?? '');
  const expected = Buffer.from(`Bearer ${token}`);
  if (given.length !== expected.length || !timingSafeEqual(given, expected))
    return { problem: 'an acknowledgement without the token of the message', status: 401 };
  const pieces: Buffer[] = [];
  for await (const piece of request) {
    pieces.push(piece as Buffer);
    if (pieces.reduce((sum, { length }) => sum + length, 0) > MOST_BYTES) break;
  }
  const body = parse(Buffer.concat(pieces).toString('utf8'));
  const said = acknowledgementSchema.partial({ task: true }).safeParse(body);
  if (!said.success || (said.data.task !== undefined && said.data.task !== task))
    return { problem: 'an acknowledgement without { "task": "<id>", "status": "erased" }', status: 422 };
  return { said: said.data.status };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
