import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** A request as a service got it. */
export type Got = {
  method: string;
  /** Segments of the path, decoded. */
  path: string[];
  query: URLSearchParams;
  headers: Record<string, string | undefined>;
  body: string;
};

export type Reply = { status: number; body?: unknown; headers?: Record<string, string> };

/** A third party as its public documents describe it, and what it holds in memory. */
export type Service = {
  /** Where the documents say that it is. */
  readonly origin: string;
  /** What is sent as credential, by the variable of the example in docs/third-parties.md. */
  readonly env: Readonly<Record<string, string>>;
  reply(got: Got): Reply;
  /** Gives it data of somebody, by what it finds them by. */
  add(who: string): void;
  /** Whether it still has data of somebody. */
  has(who: string): boolean;
  /** Jobs that it has accepted are done now. Absent: it deletes at once. */
  work?(): void;
};

/** What to answer in place of the service, once. */
type Instead = Reply | ((got: Got) => Reply);

/** The service on loopback. It keeps what it got, and does once what it is told to. */
export async function startService<S extends Service>(service: S) {
  const got: Got[] = [];
  const instead: Instead[] = [];
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const one: Got = {
      method: request.method ?? '',
      path: url.pathname.split('/').slice(1).map(decodeURIComponent),
      query: url.searchParams,
      headers: request.headers as Got['headers'],
      body: await text(request),
    };
    got.push(one);
    const other = instead.shift();
    const { status, body, headers } = typeof other === 'function' ? other(one) : (other ?? service.reply(one));
    const type = typeof body === 'string' ? 'text/html' : 'application/json';
    response.writeHead(status, { ...(body === undefined ? {} : { 'content-type': type }), ...headers });
    response.end(body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const here = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    service,
    got,
    here,
    /** A catalog that names the service where it really is, and so this server. */
    moved: (catalog: string) => catalog.replaceAll(service.origin, here),
    next: (...replies: Instead[]) => void instead.push(...replies),
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export type Running = Awaited<ReturnType<typeof startService>>;

/** The JSON of a request; undefined: none. */
export function jsonOf({ headers, body }: Got): unknown {
  if (!/^application\/(json|vnd\.segment\.v1\+json)/.test(headers['content-type'] ?? '')) return undefined;
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
