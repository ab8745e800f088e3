import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { openAsk } from '../../src/canary/ask.ts';
import type { Asked } from '../../src/canary/model.ts';

const KEY = 'key-that-nobody-may-read';
const ERASURE = '0190a0b0-0000-7000-8000-000000000001';
const PROBLEM = { 'content-type': 'application/problem+json; charset=utf-8' };

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

type Seen = { method: string | undefined; url: string | undefined; headers: IncomingMessage['headers']; body: string };
type Answering = { status: number; headers?: Record<string, string>; body?: unknown };

/** An API that answers so, or not at all. */
async function api(answer: Answering | RequestListener): Promise<{ url: string; seen: Seen[] }> {
  const seen: Seen[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const piece of request) body += piece;
    seen.push({ method: request.method, url: request.url, headers: request.headers, body });
    if (typeof answer === 'function') return answer(request, response);
    const text = typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body ?? {});
    response.writeHead(answer.status, answer.headers).end(text);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

async function asking(url: string, { key = KEY, account = '42', timeoutMs = 5_000 } = {}): Promise<Asked> {
  const { ask, close } = openAsk(url, key, timeoutMs);
  try {
    return await ask(account, { cycle: '1', turn: 0 }, new AbortController().signal);
  } finally {
    await close();
  }
}

const problem = (status: number, code: string, headers = {}): Answering => ({
  status,
  headers: { ...PROBLEM, ...headers },
  body: { status, code, title: KEY, detail: KEY },
});

describe('the request for test data', () => {
  it('is what anybody would send, below the path of the address; the key of the account is escaped', async () => {
    const { url, seen } = await api({ status: 202, body: { id: ERASURE } });
    expect(await asking(`${url}/lethe//`, { account: 'a/b?c,ü' })).toEqual({ kind: 'accepted', erasureId: ERASURE });
    expect(seen).toEqual([
      {
        method: 'POST',
        url: '/lethe/v1/accounts/a%2Fb%3Fc%2C%C3%BC/erasure',
        headers: expect.objectContaining({ authorization: `Bearer ${KEY}`, 'idempotency-key': 'canary-1-0' }),
        body: '{"startNow":true}',
      },
    ]);
  });

  it.each<[string, Answering, Asked]>([
    ['429 with Retry-After', problem(429, 'rate_limited', { 'retry-after': '7' }), later('429 (rate_limited)', 7_000)],
    [
      '429 that would take an hour',
      problem(429, 'rate_limited', { 'retry-after': '3600' }),
      later('429 (rate_limited)', 60_000),
    ],
    ['429 with nonsense', problem(429, 'rate_limited', { 'retry-after': '-1' }), later('429 (rate_limited)')],
    ['500', { status: 500, body: KEY }, later('500')],
    ['503 of the database', problem(503, 'database_unavailable'), later('503 (database_unavailable)')],
    ['404 of a proxy', { status: 404, body: `<h1>${KEY}</h1>` }, later('404')],
    ['a code that is none', problem(400, `${KEY} <script>`), later('400')],
  ])('%s is asked again', async (_, answer, asked) => {
    const { url, seen } = await api(answer);
    expect(await asking(url)).toEqual(asked);
    expect(seen).toHaveLength(1);
  });

  it.each([
    ['HTML with 200', { status: 200, headers: { 'content-type': 'text/html' }, body: `<h1>${KEY}</h1>` }],
    ['JSON without an id', { status: 202, body: { id: 7 } }],
    ['an id that is none', { status: 202, body: { id: `x'; DROP TABLE accounts` } }],
    ['JSON cut short', { status: 200, body: '{"id":' }],
  ])('%s is not the API: it says which setting is to be looked at', async (_, answer) => {
    const { url } = await api(answer);
    expect(await asking(url)).toEqual({
      kind: 'later',
      words: `what answered (${answer.status}) is not the API: LETHE_CANARY_URL`,
    });
  });

  it('a redirect is not followed: the key goes to nobody else', async () => {
    const other = await api({ status: 202, body: { id: ERASURE } });
    const { url } = await api({ status: 308, headers: { location: `${other.url}/?${KEY}` } });
    expect(await asking(url)).toEqual({
      kind: 'later',
      words: 'the API answered 308, a redirect, which is not followed: LETHE_CANARY_URL',
    });
    expect(other.seen).toEqual([]);
  });

  it.each([
    [401, 'unauthenticated', 'canary.key names the variable with the API key'],
    [403, 'forbidden', 'the API key needs the scope erasures:write'],
    [404, 'not_found', 'no account has the key that was planted, or LETHE_CANARY_URL names another Lethe'],
  ])('%i (%s) ends the cycle, and says what to do', async (status, code, help) => {
    const { url } = await api(problem(status, code));
    expect(await asking(url)).toEqual({ kind: 'refused', words: `the API answered ${status} (${code}): ${help}` });
  });

  it('an API that hangs, before its answer or within it, is given up', async () => {
    const gaveUp = { kind: 'later', words: 'the API: no complete answer within 0.2 s' };
    const silent = await api(() => {});
    expect(await asking(silent.url, { timeoutMs: 200 })).toEqual(gaveUp);
    const slow = await api((_, response) => void response.writeHead(202).write('{"id":"'));
    expect(await asking(slow.url, { timeoutMs: 200 })).toEqual(gaveUp);
  });

  it('an API that is away, or breaks off, is asked again', async () => {
    const gone = await api({ status: 202 });
    const [server] = servers.splice(0);
    await new Promise((resolve) => server?.close(resolve));
    expect(await asking(gone.url)).toEqual({ kind: 'later', words: 'the API: the connection was refused' });
    const breaking = await api((request) => void request.socket.destroy());
    expect(await asking(breaking.url)).toEqual({
      kind: 'later',
      words: expect.stringMatching(/^the API: the connection was (closed|reset) before the answer was complete$/),
    });
  });

  it('a key that no header can hold is told of without it; nothing is printed', async () => {
    const printed = [vi.spyOn(process.stdout, 'write'), vi.spyOn(process.stderr, 'write')];
    const { url, seen } = await api({ status: 202 });
    const asked = await asking(url, { key: `${KEY}\r\nx: y` });
    expect(asked).toEqual({
      kind: 'later',
      words: 'the API: the request cannot be sent as it is: look at its URL and headers',
    });
    expect(seen).toEqual([]);
    for (const spy of printed) {
      expect(spy.mock.calls.flat().join('')).not.toContain(KEY);
      spy.mockRestore();
    }
  });
});

function later(words: string, afterMs?: number): Asked {
  return { kind: 'later', words: `the API answered ${words}`, ...(afterMs === undefined ? {} : { afterMs }) };
}
