import type { Agent, Dispatcher } from 'undici';
import { checkedLookup, isRefusedHost, PrivateAddress, type Resolve } from './addresses.ts';
import { readFailure } from './failure.ts';

/** What of an answer is read; the rest is cut off, and the connection with it. */
export const MOST_BYTES = 64 * 1024;

/** One request. `timeoutMs`: from the connection to the last byte of the answer. */
export type Requested = {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
};

/** An answer. `headers`: in lower case, the first of each. `cut`: it was longer than `MOST_BYTES`. */
export type Answered = {
  readonly kind: 'answered';
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: string;
  readonly cut: boolean;
};

/**
 * No answer. `words` hold no value of the request. `down`: another request would have failed as well. `unsent`: nothing of
 * it has arrived; absent where it may have.
 */
export type Unanswered = {
  readonly kind: 'unanswered';
  readonly words: string;
  readonly down: boolean;
  readonly unsent?: true;
};

/** The connections with one partner. */
export type Connections = {
  /** One request. Follows no redirect and rejects never: a reset, or a partner that hangs, is an outcome in words. */
  request(of: Requested): Promise<Answered | Unanswered>;
  close(): Promise<void>;
};

type Opening = { privateHosts: readonly string[]; most: number; resolve?: Resolve };

/**
 * Opens connections with one partner, as many as `most` at once. `privateHosts`: hosts that may have a private address;
 * others are refused when they are connected. `resolve`: in the place of the system's look-up of names.
 */
export function openConnections({ privateHosts, most, resolve }: Opening): Connections {
  let opened: Promise<Agent> | undefined;
  // It takes a third of a second to load, and most processes never ask a partner.
  const open = async () => {
    const { Agent } = await import('undici');
    return new Agent({
      connections: most,
      pipelining: 1,
      connect: { lookup: checkedLookup(privateHosts, resolve), timeout: 0 },
      // The deadline of each request is its own timer: these would only round it.
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: 4_000,
      keepAliveMaxTimeout: 60_000,
      maxHeaderSize: 16 * 1024,
    });
  };
  return {
    request: async (of) => {
      opened ??= open();
      return ask(await opened, privateHosts, of);
    },
    close: async () => (await opened)?.destroy(),
  };
}

async function ask(agent: Agent, privateHosts: readonly string[], of: Requested): Promise<Answered | Unanswered> {
  const ends = new AbortController();
  const stop = () => ends.abort();
  const timer = setTimeout(stop, of.timeoutMs);
  of.signal.addEventListener('abort', stop);
  try {
    if (of.signal.aborted) stop();
    const url = new URL(of.url);
    if (isRefusedHost(privateHosts, url.hostname)) throw new PrivateAddress();
    const { statusCode, headers, body } = await agent.request({
      origin: url.origin,
      path: `${url.pathname}${url.search}`,
      method: of.method as Dispatcher.HttpMethod,
      headers: { 'user-agent': 'lethe', 'accept-encoding': 'identity', ...of.headers },
      body: of.body ?? null,
      signal: ends.signal,
    });
    return { kind: 'answered', status: statusCode, headers: flat(headers), ...(await readStart(body)) };
  } catch (error) {
    if (of.signal.aborted)
      return { kind: 'unanswered', words: 'Lethe was stopped before the answer came', down: false };
    if (ends.signal.aborted)
      return { kind: 'unanswered', words: `no complete answer within ${of.timeoutMs / 1000} s`, down: true };
    return { kind: 'unanswered', ...readFailure(error) };
  } finally {
    clearTimeout(timer);
    of.signal.removeEventListener('abort', stop);
  }
}

const flat = (headers: Record<string, string | string[] | undefined>): Record<string, string | undefined> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value[0] : value]));

/** The first bytes of a body. A longer one is cut off with its connection. */
async function readStart(body: Dispatcher.ResponseData['body']): Promise<{ body: string; cut: boolean }> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of body as AsyncIterable<Buffer>) {
    pieces.push(piece);
    length += piece.length;
    // Leaving the loop destroys the body.
    if (length > MOST_BYTES) break;
  }
  return { body: Buffer.concat(pieces).subarray(0, MOST_BYTES).toString('utf8'), cut: length > MOST_BYTES };
}
