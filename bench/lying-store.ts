import { once } from 'node:events';
import { createServer, request as forward } from 'node:http';
import type { AddressInfo } from 'node:net';
import { S3_CREDENTIALS, startS3 } from '../dev/s3.ts';

/** An object store that says, from `lie` on, that it has deleted what it keeps. */
export async function startLyingStore() {
  const s3 = await startS3();
  let lying = false;
  const server = createServer((asked, answer) => {
    const url = new URL(asked.url ?? '/', s3.url);
    const isMany = asked.method === 'POST' && url.searchParams.has('delete');
    if (lying && (isMany || asked.method === 'DELETE')) {
      asked.resume();
      if (!isMany) return void answer.writeHead(204).end();
      answer.writeHead(200, { 'Content-Type': 'application/xml' });
      return void answer.end('<?xml version="1.0"?><DeleteResult></DeleteResult>');
    }
    const { hostname, port } = new URL(s3.url);
    const through = forward(
      { hostname, port, path: asked.url, method: asked.method, headers: asked.headers },
      (from) => {
        answer.writeHead(from.statusCode ?? 502, from.headers);
        from.pipe(answer);
      },
    );
    through.on('error', () => answer.destroy());
    asked.pipe(through);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    bucket: s3.bucket,
    env: { FILES_KEY: S3_CREDENTIALS.accessKeyId, FILES_SECRET: S3_CREDENTIALS.secretAccessKey },
    lie: () => {
      lying = true;
    },
    close: async () => {
      server.closeAllConnections();
      server.close();
      await s3.destroy();
    },
  };
}
