import { readProblem } from './problem.ts';

/** A JWT or an API key, without `Bearer`; a function is asked before every request, so that it can renew. */
export type BearerToken = string | (() => string | Promise<string>);

/** Where requests go, and what opens the door. */
export type Door = {
  /** Without a slash at its end. */
  baseUrl: string;
  bearer?: BearerToken | undefined;
  statusToken?: string;
  fetch: typeof fetch;
};

export type Query = Record<string, string | number | boolean | undefined>;
export type Message = {
  query?: Query;
  body?: object;
  headers?: Record<string, string | undefined>;
  signal?: AbortSignal | undefined;
};

export const askBearer = async ({ bearer }: Door) => (typeof bearer === 'function' ? await bearer() : bearer);

/** Sends one request. Throws `LetheProblem` for an answer that is not 2xx, and what `fetch` throws. */
export async function send(door: Door, method: string, path: string, message: Message = {}): Promise<Response> {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...message.query, token: door.statusToken }))
    if (value !== undefined) query.set(name, String(value));
  const headers = new Headers();
  for (const [name, value] of Object.entries(message.headers ?? {})) if (value !== undefined) headers.set(name, value);
  if (message.body) headers.set('Content-Type', 'application/json');
  const bearer = await askBearer(door);
  if (bearer !== undefined) headers.set('Authorization', `Bearer ${bearer}`);
  const response = await door.fetch(`${door.baseUrl}${path}${query.size > 0 ? `?${query}` : ''}`, {
    method,
    headers,
    body: message.body ? JSON.stringify(message.body) : null,
    signal: message.signal ?? null,
    // A token opens an erasure: it goes to Lethe only, and the application's cookies stay at home.
    credentials: 'omit',
    referrerPolicy: 'no-referrer',
  });
  if (!response.ok) throw await readProblem(response);
  return response;
}

/** Sends one request and reads its JSON. The type is the one that the API's schemas have for it. */
export const sendForJson = async <T>(door: Door, method: string, path: string, message?: Message): Promise<T> =>
  (await (await send(door, method, path, message)).json()) as T;
