import type {
  AcceptedErasure,
  Acknowledged,
  Acknowledgement,
  Erasure,
  ErasureList,
  State,
} from '../http/bodies/schemas.ts';
import { type FollowOptions, follow } from './follow.ts';
import { type BearerToken, type Door, sendForJson } from './send.ts';

export type {
  AcceptedErasure,
  Acknowledged,
  Acknowledgement,
  Erasure,
  ErasureList,
  ErasureSummary,
  Hold,
  LocationProgress,
  Problem,
  Progress,
  State,
} from '../http/bodies/schemas.ts';
export type { FollowOptions } from './follow.ts';
export { LetheProblem, type ProblemCode } from './problem.ts';
export type { BearerToken } from './send.ts';

type Cancellable = { signal?: AbortSignal | undefined };
export type ClientOptions = {
  /** Where Lethe is, for example `https://lethe.example.net`. */
  baseUrl: string | URL;
  /** A JWT or an API key, or a function that gives one. */
  token: BearerToken;
  fetch?: typeof fetch;
};
export type RequestOptions = Cancellable & {
  /** Do not wait for `startsAt`; it cannot be undone then. */
  startNow?: boolean;
  /** For a day, the same key gets the same answer: repeat a request whose answer was lost. */
  idempotencyKey?: string;
};
export type ListOptions = Cancellable & {
  state?: State;
  accountId?: string;
  held?: boolean;
  /** 1 to 200, otherwise 50. */
  limit?: number;
  /** `nextCursor` of the page before. */
  cursor?: string;
};

/**
 * A client that signs in with a JWT or an API key. Every method throws `LetheProblem` for what Lethe refuses,
 * and what `fetch` throws when nobody answers. Throws a `TypeError` for a `baseUrl` without http: or https:.
 */
export function createClient(options: ClientOptions) {
  const door: Door = {
    baseUrl: addressOf(options.baseUrl),
    bearer: options.token,
    // A method of another object would refuse to run in a browser.
    fetch: options.fetch ?? ((input, init) => fetch(input, init)),
  };
  const own = onErasures(door);
  return {
    /** Asks for the erasure of an account, or gives the one that there is. */
    requestErasure: (
      accountId: string | number | bigint,
      { startNow, idempotencyKey, signal }: RequestOptions = {},
    ): Promise<AcceptedErasure> =>
      sendForJson(door, 'POST', `/v1/accounts/${encodeURIComponent(String(accountId))}/erasure`, {
        body: startNow === undefined ? {} : { startNow },
        headers: { 'Idempotency-Key': idempotencyKey },
        signal,
      }),
    ...own,
    /** Runs the unfinished work of a stalled erasure again. Needs a key with the scope `admin`. */
    replay: (id: string, { signal }: Cancellable = {}): Promise<Erasure> =>
      sendForJson(door, 'POST', `${pathOf(id)}/replay`, { signal }),
    /** Puts an erasure on hold, with a reason for the operators. Needs a key with the scope `admin`. */
    hold: (id: string, reason: string, { signal }: Cancellable = {}): Promise<Erasure> =>
      sendForJson(door, 'POST', `${pathOf(id)}/hold`, { body: { reason }, signal }),
    /** Lifts a hold. Needs a key with the scope `admin`. */
    release: (id: string, { signal }: Cancellable = {}): Promise<Erasure> =>
      sendForJson(door, 'DELETE', `${pathOf(id)}/hold`, { signal }),
    /** One page of erasures, newest first. Needs a key with the scope `admin`. */
    list: ({ signal, ...query }: ListOptions = {}): Promise<ErasureList> =>
      sendForJson(door, 'GET', '/v1/erasures', { query, signal }),
  };
}
export type LetheClient = ReturnType<typeof createClient>;

/**
 * A client for one erasure that needs nothing but its `statusUrl`: it works after sign-out too. `baseUrl` is
 * only needed where the API is reached at another address than the link's page.
 * Throws a `TypeError` for what is no status link.
 */
export function openStatusLink(statusUrl: string | URL, options: Partial<Omit<ClientOptions, 'token'>> = {}) {
  const link = new URL(statusUrl);
  const [, folder, id] = /^(.*)\/status\/([\da-f-]{36})$/i.exec(link.pathname) ?? [];
  const token = link.searchParams.get('token');
  if (folder === undefined || id === undefined || token === null) throw new TypeError('this is no status link');
  const on = onErasures({
    baseUrl: addressOf(options.baseUrl ?? `${link.origin}${folder}`),
    statusToken: token,
    fetch: options.fetch ?? ((input, init) => fetch(input, init)),
  });
  return {
    erasureId: id,
    getErasure: (cancellable?: Cancellable) => on.getErasure(id, cancellable),
    cancel: (cancellable?: Cancellable) => on.cancel(id, cancellable),
    start: (cancellable?: Cancellable) => on.start(id, cancellable),
    follow: (followOptions?: FollowOptions) => on.follow(id, followOptions),
  };
}
export type StatusLink = ReturnType<typeof openStatusLink>;

/**
 * Acknowledges what a message asked of a partner: `to` is `data.acknowledge` of the message, and opens that alone. Safe
 * to repeat. Throws `LetheProblem` for what Lethe refuses, and what `fetch` throws when nobody answers.
 */
export const acknowledge = (
  to: { url: string | URL; token: string },
  said: Acknowledgement,
  options: Pick<ClientOptions, 'fetch'> & Cancellable = {},
): Promise<Acknowledged> =>
  sendForJson(
    { baseUrl: addressOf(to.url), bearer: to.token, fetch: options.fetch ?? ((input, init) => fetch(input, init)) },
    'POST',
    '',
    {
      body: said,
      signal: options.signal,
    },
  );

const pathOf = (id: string) => `/v1/erasures/${encodeURIComponent(id)}`;

/** Refuses another address at once: `fetch` would refuse it at every request. `localhost:8080` has the scheme `localhost`. */
function addressOf(baseUrl: string | URL): string {
  const text = String(baseUrl).replace(/\/+$/, '');
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) throw new TypeError('baseUrl: expected http:// or https://');
  return text;
}

/** What a status link can do as well. */
const onErasures = (door: Door) => ({
  /** The erasure and its progress. */
  getErasure: (id: string, { signal }: Cancellable = {}): Promise<Erasure> =>
    sendForJson(door, 'GET', pathOf(id), { signal }),
  /** Undoes a scheduled erasure. */
  cancel: (id: string, { signal }: Cancellable = {}): Promise<Erasure> =>
    sendForJson(door, 'DELETE', pathOf(id), { signal }),
  /** Starts a scheduled erasure now: it cannot be undone any more. */
  start: (id: string, { signal }: Cancellable = {}): Promise<Erasure> =>
    sendForJson(door, 'POST', `${pathOf(id)}/start`, { signal }),
  /**
   * `for await (const erasure of client.follow(id))`: the erasure now, and again whenever it changed, until it
   * is final. Connects again by itself; throws only where that is no use.
   */
  follow: (id: string, options?: FollowOptions): AsyncGenerator<Erasure, void, void> => follow(door, id, options),
});
