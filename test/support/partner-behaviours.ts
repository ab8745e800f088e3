import type { ServerResponse } from 'node:http';
import type { Message } from '../../src/partners/message.ts';

/** A request as the partner got it. `message`: its body, where it is one of the contract. */
export type Received = {
  method: string;
  /** Path and query. */
  path: string;
  headers: Record<string, string | undefined>;
  body: string;
  /** The JSON of the body; undefined: it is none. */
  message: Message | undefined;
  at: Date;
};

/** What a partner can do with one request. `acknowledge` resolves with the status of the answer. */
export type Hands = {
  received: Received;
  response: ServerResponse;
  acknowledge: (status?: 'erased' | 'not_found' | 'failed') => Promise<number>;
};

export type Behaviour = (hands: Hands) => void | Promise<void>;

export function json(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

const HTML = '<!doctype html><html><body><h1>Welcome</h1></body></html>';

function html(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'content-type': 'text/html' }).end(HTML);
}

const echo =
  (status: string): Behaviour =>
  ({ received, response }) =>
    json(response, 200, { task: received.message?.id, status });

/** Writes until nobody reads any more, or 10 GB have gone. */
async function pour(response: ServerResponse): Promise<void> {
  const piece = Buffer.alloc(1 << 20, ' ');
  for (let written = 0; written < 10 * 2 ** 30 && !response.destroyed; written += piece.length) {
    if (response.write(piece)) continue;
    await new Promise<void>((go) => {
      response.once('drain', go);
      response.once('close', go);
    });
  }
  response.end();
}

/** Writes headers that never end, one each 50 ms. */
function drip({ socket }: ServerResponse): void {
  socket?.write('HTTP/1.1 200 OK\r\n');
  let n = 0;
  const timer = setInterval(() => socket?.write(`X-Drop-${n++}: 1\r\n`), 50);
  socket?.once('close', () => clearInterval(timer));
}

/** What a partner does, by name. */
export const BEHAVIOURS = {
  /** 200 that echoes the task. */
  erased: echo('erased'),
  not_found: echo('not_found'),
  failed: ({ received, response }) =>
    json(response, 200, { task: received.message?.id, status: 'failed', reason: 'the index is read-only' }),
  no_content: ({ response }) => void response.writeHead(204).end(),
  /** 202; the test acknowledges. */
  accepted: ({ response }) => json(response, 202, {}),
  already_scheduled: ({ response }) => json(response, 409, { status: 'already scheduled' }),
  /** Acknowledges, and only then answers 202. */
  acknowledge_before: async ({ response, acknowledge }) => {
    await acknowledge();
    json(response, 202, {});
  },
  /** Answers 202, and then acknowledges. */
  acknowledge_after: async ({ response, acknowledge }) => {
    json(response, 202, {});
    await new Promise((sent) => response.once('close', sent));
    await acknowledge();
  },
  /** A single-page application, which answers every address with its page. */
  html: ({ response }) => html(response, 200),
  no_echo: ({ response }) => json(response, 200, { ok: true }),
  other_task: ({ response }) => json(response, 200, { task: 'another', status: 'erased' }),
  error_inside: ({ received, response }) =>
    json(response, 200, { task: received.message?.id, status: 'erased', error: 'index missing' }),
  compressed: ({ response }) =>
    void response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' }).end('\x1f\x8b'),
  redirect: ({ received, response }) =>
    void response.writeHead(307, { location: `${received.path}${received.path.includes('?') ? '&' : '?'}again` }).end(),
  route_missing: ({ response }) => html(response, 404),
  gone: ({ response }) => html(response, 410),
  refused: ({ response }) => json(response, 401, { error: 'signature' }),
  invalid: ({ response }) => json(response, 400, { error: 'invalid' }),
  error: ({ response }) => html(response, 500),
  unavailable: ({ response }) => html(response, 503),
  /** 429, and when it may be asked again: in a second. */
  too_many: ({ response }) => json(response, 429, {}, { 'retry-after': '1' }),
  /** Takes the request and never answers. */
  hang: () => {},
  /** Resets the connection before it has answered. */
  reset: ({ response }) => void response.socket?.resetAndDestroy(),
  /** Resets it within the body of the answer. */
  half: ({ received, response }) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
    response.write(`{"task":"${received.message?.id}","status":"erased"`, () => response.socket?.resetAndDestroy());
  },
  /** Ends the body before it is as long as it was said to be; what came reads as a complete answer. */
  short: ({ received, response }) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
    response.write(JSON.stringify({ task: received.message?.id, status: 'erased' }), () => response.socket?.end());
  },
  /** Sends headers and never the body. */
  silent_body: ({ response }) => void response.writeHead(200, { 'content-type': 'application/json' }).write('{'),
  /** 10 GB. */
  endless: ({ response }) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    return pour(response);
  },
  drip: ({ response }) => drip(response),
  /** Headers of 100 kB. */
  many_headers: ({ response }) =>
    void response
      .writeHead(204, Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`x-${n}`, 'x'.repeat(1000)])))
      .end(),
  /** Not HTTP. */
  garbage: ({ response }) => void response.socket?.end('SSH-2.0-OpenSSH_9.9\r\n'),
} satisfies Record<string, Behaviour>;

export type BehaviourName = keyof typeof BEHAVIOURS;
