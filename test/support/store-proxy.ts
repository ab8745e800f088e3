import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestOptions, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a request to the store meets instead of it. `swallow`: it is confirmed and forgotten. */
export type Meets = 'error' | 'silence' | 'cut' | 'swallow' | 'html';

/** Stands before a store. Requests that a fault is for meet it; the others pass. */
export async function startStoreProxy(target: string) {
  const faults: { method: string; path: RegExp; meets: Meets; times: number }[] = [];
  const seen: string[] = [];

  function meet(meets: Meets, asked: IncomingMessage, answer: ServerResponse): void {
    if (meets === 'cut') return void asked.once('data', () => asked.socket.resetAndDestroy());
    asked.resume();
    if (meets === 'silence') return;
    asked.once('end', () => {
      if (meets === 'error')
        answer
          .writeHead(500, { 'content-type': 'application/xml' })
          .end('<?xml version="1.0"?><Error><Code>InternalError</Code></Error>');
      else if (meets === 'html') answer.writeHead(200, { 'content-type': 'text/html' }).end('<p>Sign in</p>');
      else answer.writeHead(200, { etag: '"0"' }).end();
    });
  }

  const proxy = createServer((asked, answer) => {
    const { method = '', url = '' } = asked;
    seen.push(`${method} ${url.split('?')[0]}`);
    const met = faults.find((f) => f.times > 0 && f.method === method && f.path.test(url));
    if (met) {
      met.times--;
      return meet(met.meets, asked, answer);
    }
    const { hostname, port } = new URL(target);
    const to: RequestOptions = { hostname, port, path: url, method, headers: asked.headers };
    const passed = request(to, (got) => {
      answer.writeHead(got.statusCode as number, got.rawHeaders);
      got.pipe(answer);
    });
    passed.on('error', () => answer.destroy());
    answer.on('close', () => passed.destroy());
    asked.pipe(passed);
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  return {
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    seen,
    /** The next `times` requests of this kind meet it. */
    fail: (method: string, path: RegExp, meets: Meets, times = 1) => void faults.push({ method, path, meets, times }),
    heal: () => void faults.splice(0),
    close: () => {
      proxy.close();
      proxy.closeAllConnections();
    },
  };
}
