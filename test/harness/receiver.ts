import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { Webhook } from 'standardwebhooks';
import type { Delivery } from './checks-watching.ts';

/** How a receiver of alerts fails: it takes a message and cuts its answer, or does not take it. */
export type Failing = 'resets' | 'unavailable' | 'hangs';

/** A team's own endpoint for alerts. It keeps what it took, through all that happens to its server. */
export class Receiver {
  readonly deliveries: Delivery[] = [];
  failing: Failing | undefined;
  readonly secret = `whsec_${Buffer.alloc(32, 5).toString('base64')}`;
  private readonly violated: (what: string) => void;
  private server: Server | undefined;
  private port = 0;

  constructor(violated: (what: string) => void) {
    this.violated = violated;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/alerts`;
  }

  /** Listens, always on the same port. */
  async open(): Promise<void> {
    if (this.server) return;
    const server = createServer((request, response) => {
      this.answer(request, response).catch((error: Error) => {
        this.violated(`a message to an owner cannot be read: ${error.message}`);
        response.destroy();
      });
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

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request);
    const { failing } = this;
    if (failing === 'unavailable') return void response.writeHead(503).end();
    // Whoever has not signed it is believed by nobody.
    const message = new Webhook(this.secret).verify(body, request.headers as Record<string, string>) as {
      id: string;
      data: { owner: string; state: string };
    };
    this.deliveries.push({ id: message.id, owner: message.data.owner, state: message.data.state });
    if (failing === 'hangs') return;
    if (failing === 'resets') return void response.socket?.resetAndDestroy();
    response.writeHead(204).end();
  }
}
