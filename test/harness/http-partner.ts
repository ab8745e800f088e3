import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { Holdings } from './holdings.ts';

/** What a partner of a run answers; each but the first is wrong in a way that partners are. */
export const MISBEHAVIOURS = {
  hangs: 'takes the request and never answers',
  resets: 'erases, and cuts the connection half-way through its answer',
  html: 'answers every request with a page of HTML and 200',
  lies: 'answers 200 with an error inside',
  redirects: 'answers every request with a redirect',
  'not-found': 'answers every request with a bare 404',
  unavailable: 'answers 503',
  huge: 'answers with a body that does not end',
} as const;
export type Misbehaviour = keyof typeof MISBEHAVIOURS;

/** How it acknowledges what it has accepted. */
export type Acknowledging = 'once' | 'twice' | 'late' | 'early' | 'lost';

type Message = {
  id: string;
  type: string;
  data: { account: { id: string }; acknowledge: { url: string; token: string } };
};
/** What a partner knows of a call that it has accepted. */
export type Accepted = { id: string; account: string; url: string; token: string };

/** Things of test data. */
const TEST_THINGS = 3;
/** So long a careful partner goes on acknowledging. */
const ACKNOWLEDGING_MS = 90_000;

/** Acknowledges as a careful partner does: until it is heard. Returns what must not be, in words; nothing when all is well. */
export async function acknowledge(
  { id, url, token }: Accepted,
  status: string,
  until: () => boolean,
): Promise<string[]> {
  const end = Date.now() + ACKNOWLEDGING_MS;
  while (Date.now() < end && !until()) {
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
        body: JSON.stringify({ task: id, status }),
        signal: AbortSignal.timeout(5_000),
      });
      await response.arrayBuffer();
      if (response.ok) return [];
      if (response.status < 500 && response.status !== 429)
        return [`the acknowledgement of ${id} was refused with ${response.status}`];
    } catch {
      // Away: it is sent again.
    }
    await pause(200);
  }
  return [];
}

/** A service outside that speaks the contract, whose server a fault can take away or make answer wrongly. */
export class HttpPartner {
  readonly holdings: Holdings;
  /** Says at once that it is done, or that it will acknowledge. */
  readonly late: boolean;
  misbehaves: Misbehaviour | undefined;
  acknowledging: Acknowledging = 'once';
  /** Called once it has erased, before it answers. */
  beforeAnswer: (() => Promise<unknown>) | undefined;
  private readonly violated: (what: string) => void;
  private server: Server | undefined;
  private port = 0;
  private ended = false;

  constructor(name: string, late: boolean, violated: (what: string) => void) {
    this.holdings = new Holdings(name);
    this.late = late;
    this.violated = violated;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/erasures`;
  }

  /** Listens, always on the same port. */
  async open(): Promise<void> {
    // Two faults that took it away end one after the other.
    if (this.server) return;
    const server = createServer((request, response) => {
      this.answer(request, response).catch(() => response.destroy());
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.port, '127.0.0.1', resolve);
    });
    this.port = (server.address() as AddressInfo).port;
    this.server = server;
  }

  /** Goes away: connections are refused. */
  async shut(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    if (!server) return;
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  }

  async close(): Promise<void> {
    this.ended = true;
    await this.shut();
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<unknown> {
    const message = JSON.parse(await text(request)) as Message;
    const { id, data } = message;
    const account = data.account.id;
    const isErasure = !message.type.startsWith('lethe.canary.');
    if (isErasure) this.holdings.hear(id, account);
    const { misbehaves } = this;
    if (misbehaves && misbehaves !== 'resets') return this.misbehave(misbehaves, response);
    if (message.type === 'lethe.canary.look')
      return this.reply(response, 200, { task: id, status: this.holdings.has(account) > 0 ? 'present' : 'absent' });
    if (message.type === 'lethe.canary.plant') {
      this.holdings.plant(account, TEST_THINGS);
      return this.reply(response, 200, { task: id, status: 'planted', items: TEST_THINGS });
    }
    const call = { id, account, url: data.acknowledge.url, token: data.acknowledge.token };
    if (this.late) {
      const early = this.acknowledging === 'early';
      if (early) await this.finish(call);
      const answered = await this.reply(response, 202, { task: id, status: 'accepted' });
      if (!early) void this.finish(call);
      return answered;
    }
    const status = this.holdings.erase(account) ? 'erased' : 'not_found';
    return this.reply(response, 200, { task: id, status });
  }

  private async reply(response: ServerResponse, status: number, body: object): Promise<unknown> {
    await this.beforeAnswer?.();
    response.writeHead(status, { 'Content-Type': 'application/json' });
    if (this.misbehaves !== 'resets') return response.end(JSON.stringify(body));
    response.write(JSON.stringify(body).slice(0, 9));
    return response.socket?.resetAndDestroy();
  }

  private async misbehave(how: Misbehaviour, response: ServerResponse): Promise<unknown> {
    switch (how) {
      case 'hangs':
        return;
      case 'html':
        return response.writeHead(200, { 'Content-Type': 'text/html' }).end('<!doctype html><p>Welcome');
      case 'lies':
        return response.writeHead(200, { 'Content-Type': 'application/json' }).end('{"error":"no such tenant"}');
      case 'redirects':
        return response.writeHead(302, { Location: this.url }).end();
      case 'not-found':
        return response.writeHead(404).end();
      case 'unavailable':
        return response.writeHead(503).end();
      default:
        return this.pour(response);
    }
  }

  private async pour(response: ServerResponse): Promise<void> {
    response.writeHead(200, { 'Content-Type': 'application/json' });
    const block = Buffer.alloc(65_536, 0x20);
    while (!response.destroyed && !this.ended) {
      if (!response.write(block)) await Promise.race([pause(50), new Promise((r) => response.once('drain', r))]);
    }
    response.destroy();
  }

  /** Erases what was accepted, and acknowledges it. */
  private async finish(call: Accepted): Promise<void> {
    const { acknowledging } = this;
    // Nobody hears of it: it is asked again, with the same id.
    if (acknowledging === 'lost') return;
    if (acknowledging === 'late') await pause(3_000);
    const status = this.holdings.erase(call.account) ? 'erased' : 'not_found';
    const ended = () => this.ended;
    const times = acknowledging === 'twice' ? 2 : 1;
    const problems = await Promise.all(Array.from({ length: times }, () => acknowledge(call, status, ended)));
    if (!this.ended) for (const problem of problems.flat()) this.violated(problem);
  }
}
