import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

export type FolderProxy = { origin: string; pointAt: (base: string) => void; close: () => void };

/** A proxy that serves what it points at below `folder`: it takes the folder off, or passes it on. */
export async function startFolderProxy(folder: string, takesOff: boolean): Promise<FolderProxy> {
  let target = 0;
  const proxy = createServer((asked, answer) => {
    if (!asked.url?.startsWith(`${folder}/`)) return void answer.writeHead(502).end('outside of the folder');
    const path = takesOff ? asked.url.slice(folder.length) : asked.url;
    const passed = request({ port: target, path, method: asked.method, headers: asked.headers }, (got) => {
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
    origin: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    pointAt: (base) => {
      target = Number(new URL(base).port);
    },
    close: () => {
      proxy.close();
      proxy.closeAllConnections();
    },
  };
}
