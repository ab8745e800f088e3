import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { Kind } from '../../src/locations/kind.ts';
import { KINDS } from '../../src/locations/kinds/registry.ts';
import type { AskedSubject, System } from './asked-subject.ts';
import { Things } from './asked-things.ts';

export const ELSEWHERE = 'elsewhere';

/** A service that speaks the contract. `late`: it says that it will acknowledge, and erases when it works. `more`: of its entry. */
export async function startService(late: boolean, more = ''): Promise<System> {
  const things = new Things();
  const told: string[] = [];
  let requests = 0;
  let away = false;
  /** Accounts by the id of the call that was accepted. */
  const accepted = new Map<string, string>();

  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    requests += 1;
    const { id, data } = JSON.parse(await text(request)) as { id: string; data: { account: { id: string } } };
    if (away) return response.writeHead(503).end();
    told.push(id);
    if (late) {
      accepted.set(id, data.account.id);
      return response.writeHead(202).end();
    }
    const status = things.forget(data.account.id) > 0 ? 'erased' : 'not_found';
    return response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify({ task: id, status }));
  };
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const http = `{ url: "http://127.0.0.1:${port}/erasures", secret: "env:ELSEWHERE_SECRET", timeout: 5s, concurrency: 4${more} }`;
  return {
    entry: `{ partner: ${ELSEWHERE}, owner: partner, sla: 12h, http: ${http} }`,
    env: { ELSEWHERE_SECRET: `whsec_${Buffer.alloc(32, 7).toString('base64')}` },
    add: async (_sql, accounts, n) => things.add(accounts, n),
    count: async (account) => things.count(account),
    checksum: async (account) => things.checksum(account),
    requests: async () => requests,
    told: async () => told,
    fail: async () => {
      away = true;
      return async () => {
        away = false;
      };
    },
    ...(late
      ? {
          work: async () => {
            const ids = [...accepted.keys()];
            for (const account of accepted.values()) things.forget(account);
            accepted.clear();
            return ids;
          },
        }
      : {}),
    close: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Partners that speak the contract over HTTP. One call is one item in the ledger. */
export const httpSubject = (late: boolean, kind: Kind = KINDS.http as unknown as Kind): AskedSubject => ({
  kind: 'http',
  outcome: 'delete',
  location: ELSEWHERE,
  open: () => startService(late),
  counted: () => 1,
  contextOf: (ctx) => ({ ...ctx, kinds: { ...ctx.kinds, http: kind } }),
});
