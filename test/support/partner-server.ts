import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { Webhook } from 'standardwebhooks';
import type { Message } from '../../src/partners/message.ts';
import { BEHAVIOURS, type Behaviour, type BehaviourName, json, type Received } from './partner-behaviours.ts';

export type { Behaviour, BehaviourName, Received } from './partner-behaviours.ts';
export type PartnerServer = Awaited<ReturnType<typeof startPartner>>;

type Options = {
  /** Messages that are not signed with it, or more than five minutes away from its clock, get 401. */
  secret?: string;
  /** How much its clock is ahead of ours, in milliseconds. */
  aheadMs?: number;
  /** Where the API is reached, when the message's own address is not: takes the place of its origin. */
  apiBase?: string;
};

/**
 * A partner on loopback that keeps what it got, and does what it is told to: once (`next`), or from now on (`behave`). It is
 * a plain HTTP server: paths and methods mean nothing to it.
 */
export async function startPartner(options: Options = {}) {
  const received: Received[] = [];
  const acknowledged: { id: string; status: number }[] = [];
  const queue: Behaviour[] = [];
  const sockets = new Set<Socket>();
  let always: Behaviour = BEHAVIOURS.erased;
  let gate: Promise<void> | undefined;
  let bytesWritten = 0;
  let [current, highest, connections] = [0, 0, 0];

  const partner = {
    secret: options.secret,
    aheadMs: options.aheadMs ?? 0,
    apiBase: options.apiBase,
    received,
    /** Answers to its own acknowledgements, oldest first. */
    acknowledged,
    url: '',
    port: 0,
    /** Requests about one message, by its id. */
    of: (id: string) => received.filter(({ message }) => message?.id === id),
    /** How often it was asked for an account, by one of the parts of its key. */
    askedFor: (key: string) =>
      received.filter(({ message }) => Object.values(message?.data?.account ?? {}).includes(key)),
    behave: (behaviour: BehaviourName | Behaviour) => {
      always = typeof behaviour === 'string' ? BEHAVIOURS[behaviour] : behaviour;
    },
    /** The next `times` requests are met so, before what it does otherwise. */
    next: (behaviour: BehaviourName | Behaviour, times = 1) => {
      const one = typeof behaviour === 'string' ? BEHAVIOURS[behaviour] : behaviour;
      for (let n = 0; n < times; n++) queue.push(one);
    },
    /** Requests wait until the returned function is called. */
    hold: () => {
      let release = () => {};
      gate = new Promise<void>((go) => {
        release = () => {
          gate = undefined;
          go();
        };
      });
      return () => release();
    },
    /** Acknowledges a message as a partner would: with the token that it carries, or with another. */
    acknowledge: async (
      message: Message,
      body: Record<string, unknown> = { task: message.id, status: 'erased' },
      token = message.data.acknowledge.token,
    ): Promise<number> => {
      const { pathname } = new URL(message.data.acknowledge.url);
      const url = partner.apiBase ? `${partner.apiBase}${pathname}` : message.data.acknowledge.url;
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
      const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
      await answer.arrayBuffer();
      acknowledged.push({ id: message.id, status: answer.status });
      return answer.status;
    },
    /** Bytes that left for whoever asked, connections that were opened, and the most requests at once. */
    figures: () => ({
      bytesWritten: bytesWritten + [...sockets].reduce((sum, socket) => sum + socket.bytesWritten, 0),
      connections,
      highest,
    }),
    /** Nobody listens any more, and connections are cut. */
    down: async () => {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
    /** It listens again, at the same port. */
    up: async () => {
      if (server.listening) return;
      server.listen(partner.port, '127.0.0.1');
      await once(server, 'listening');
    },
    close: () => partner.down(),
  };

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.sendDate = false;
    response.setHeader('date', new Date(Date.now() + partner.aheadMs).toUTCString());
    const got: Received = {
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers as Received['headers'],
      body: await text(request),
      message: undefined,
      at: new Date(),
    };
    got.message = parse(got.body);
    received.push(got);
    await gate;
    const { secret } = partner;
    if (secret && !isSigned(secret, got, Date.now() + partner.aheadMs))
      return json(response, 401, { error: 'signature' });
    const behaviour = queue.shift() ?? always;
    await behaviour({
      received: got,
      response,
      acknowledge: (status = 'erased') =>
        partner.acknowledge(got.message as Message, { task: got.message?.id, status }),
    });
  }

  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    current += 1;
    highest = Math.max(highest, current);
    response.once('close', () => {
      current -= 1;
    });
    handle(request, response).catch(() => response.destroy());
  });
  server.on('connection', (socket) => {
    connections += 1;
    sockets.add(socket);
    socket.once('close', () => {
      bytesWritten += socket.bytesWritten;
      sockets.delete(socket);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  partner.port = (server.address() as AddressInfo).port;
  partner.url = `http://127.0.0.1:${partner.port}/erasures`;
  return partner;
}

function parse(body: string): Message | undefined {
  try {
    return JSON.parse(body) as Message;
  } catch {
    return undefined;
  }
}

/** The signature by the library of Standard Webhooks, against a clock of the partner's own. */
function isSigned(secret: string, { headers, body }: Received, now: number): boolean {
  const seconds = Number(headers['webhook-timestamp']);
  if (!(Math.abs(seconds * 1000 - now) <= 300_000)) return false;
  const expected = new Webhook(secret).sign(String(headers['webhook-id']), new Date(seconds * 1000), body);
  return String(headers['webhook-signature']).split(' ').includes(expected);
}
