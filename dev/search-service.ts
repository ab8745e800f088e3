import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { messageSchema } from '../src/partners/message.ts';
import { problemOfSignature } from '../src/partners/sign.ts';
import { freePort } from './free-port.ts';

export type SearchService = Awaited<ReturnType<typeof startSearchService>>;

/** A partner of the sample application, as another team would write it: documents by account, erased when Lethe says so. */
export async function startSearchService(secret: string) {
  const documents = new Map<string, number>();
  const port = await freePort();
  let server: Server | undefined;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request);
    if (problemOfSignature(secret, request.headers as Record<string, string>, body)) {
      response.writeHead(401).end();
      return;
    }
    const { id, data } = messageSchema.parse(JSON.parse(body));
    const status = documents.delete(data.account.id as string) ? 'erased' : 'not_found';
    response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify({ task: id, status }));
  }

  const start = () =>
    new Promise<void>((resolve) => {
      server = createServer((request, response) => void answer(request, response).catch(() => response.destroy()));
      server.listen(port, '127.0.0.1', resolve);
    });
  await start();
  return {
    url: `http://127.0.0.1:${port}/erasures`,
    add: (account: string, count: number) => documents.set(account, count),
    count: (account: string) => documents.get(account) ?? 0,
    total: () => [...documents.values()].reduce((sum, n) => sum + n, 0),
    start,
    stop: () =>
      new Promise<void>((resolve) => {
        server?.close(() => resolve());
        server?.closeAllConnections();
      }),
  };
}
