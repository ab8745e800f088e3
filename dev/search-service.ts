import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { LOOK, lookSchema, PLANT, plantSchema } from '../src/partners/canary.ts';
import { messageSchema } from '../src/partners/message.ts';
import { problemOfSignature } from '../src/partners/sign.ts';
import { freePort } from './free-port.ts';

export type SearchService = Awaited<ReturnType<typeof startSearchService>>;

/** What was stored of an account at one moment. */
type Stored = { readonly count: number; readonly at: number; readonly plantedBy?: string };

/**
 * A partner of the sample application, as another team would write it: documents by account, erased when Lethe says so. It
 * plants test data, and says whether that is there. Each message is carried out once, by its id.
 */
export async function startSearchService(secret: string) {
  const documents = new Map<string, Stored[]>();
  const erasures = new Map<string, 'erased' | 'not_found'>();
  const port = await freePort();
  let server: Server | undefined;
  const of = (account: string) => documents.get(account) ?? [];

  /** Somebody new may have the key: what was stored after the request is not meant. */
  function erase(account: string, requestedAt: number): 'erased' | 'not_found' {
    const kept = of(account).filter(({ at }) => at > requestedAt);
    const found = kept.length < of(account).length;
    if (kept.length > 0) documents.set(account, kept);
    else documents.delete(account);
    return found ? 'erased' : 'not_found';
  }

  /** The status of the answer; null: a type that it does not know. */
  function carryOut(message: { type?: unknown }): { task: string; status: string } | null {
    if (message.type === PLANT) {
      const { id, data } = plantSchema.parse(message);
      const account = data.account.id as string;
      if (!of(account).some(({ plantedBy }) => plantedBy === id))
        documents.set(account, [...of(account), { count: 1, at: Date.now(), plantedBy: id }]);
      return { task: id, status: 'planted' };
    }
    if (message.type === LOOK) {
      const { id, data } = lookSchema.parse(message);
      return { task: id, status: documents.has(data.account.id as string) ? 'present' : 'absent' };
    }
    const read = messageSchema.safeParse(message);
    if (!read.success) return null;
    const { id, data } = read.data;
    const status = erasures.get(id) ?? erase(data.account.id as string, Date.parse(data.requestedAt));
    erasures.set(id, status);
    return { task: id, status };
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request);
    if (problemOfSignature(secret, request.headers as Record<string, string>, body)) {
      response.writeHead(401).end();
      return;
    }
    const said = carryOut(JSON.parse(body));
    response.writeHead(said ? 200 : 422, { 'Content-Type': 'application/json' }).end(JSON.stringify(said));
  }

  const start = () =>
    new Promise<void>((resolve) => {
      server = createServer((request, response) => void answer(request, response).catch(() => response.destroy()));
      server.listen(port, '127.0.0.1', resolve);
    });
  await start();
  return {
    url: `http://127.0.0.1:${port}/erasures`,
    add: (account: string, count: number) => documents.set(account, [{ count, at: Date.now() }]),
    count: (account: string) => of(account).reduce((sum, { count }) => sum + count, 0),
    start,
    stop: () =>
      new Promise<void>((resolve) => {
        server?.close(() => resolve());
        server?.closeAllConnections();
      }),
  };
}
