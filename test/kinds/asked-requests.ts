import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { KINDS } from '../../src/locations/kinds/registry.ts';
import type { AskedSubject, System } from './asked-subject.ts';
import { Things } from './asked-things.ts';

const PEOPLE = 'people';

/** A service with an interface of its own, which knows nothing of the contract: `DELETE /people/{id}`. */
async function startPeople(): Promise<System> {
  const things = new Things();
  const told: string[] = [];
  let requests = 0;
  let away = false;

  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    requests += 1;
    await text(request);
    if (away) return response.writeHead(503).end();
    if (request.headers.authorization !== 'Bearer of-people') return response.writeHead(401).end();
    const [, resource, id] = (request.url ?? '').split('/');
    if (request.method !== 'DELETE' || resource !== 'people') return response.writeHead(404).end();
    told.push(request.headers['idempotency-key'] as string);
    const gone = things.forget(decodeURIComponent(id ?? ''));
    return response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify({ deleted: true, gone }));
  };
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/people/{account}`;
  const headers = '{ Authorization: "Bearer {env:PEOPLE_KEY}", Idempotency-Key: "{id}" }';
  const request = `{ method: DELETE, url: "${url}", headers: ${headers}, done: { status: 200, where: { deleted: true } }, timeout: 5s }`;
  return {
    entry: `{ partner: ${PEOPLE}, owner: partner, sla: 12h, request: ${request} }`,
    env: { PEOPLE_KEY: 'of-people' },
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
    close: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Services that are called by templates of the catalog. One request about an account is one item in the ledger. */
export const requestSubject = (): AskedSubject => ({
  kind: 'request',
  outcome: 'delete',
  location: PEOPLE,
  open: startPeople,
  counted: () => 1,
  contextOf: (ctx) => ({ ...ctx, kinds: { ...ctx.kinds, request: KINDS.request as never } }),
});
