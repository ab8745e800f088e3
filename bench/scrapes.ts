import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort } from '../dev/free-port.ts';
import type { PostgresServer } from '../dev/postgres.ts';
import { withDeployment } from './deployed.ts';
import { withWatching } from './watching-catalog.ts';

const SCRAPES = 100;
/** A duty looks every few seconds; between two of its looks there is time for this. */
const TRIES = 12;

/** Forwards to Postgres, and counts what clients send. */
async function countingRelay(target: number) {
  let messages = 0;
  const server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1');
    for (const socket of [client, upstream]) socket.on('error', () => {});
    client.on('data', (data) => {
      messages += 1;
      upstream.write(data);
    });
    upstream.pipe(client);
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    messages: () => messages,
    close: () => server.close(),
  };
}

/**
 * What a hundred scrapes of a worker send to Postgres, while it exports the gauges of the cluster. The worker has work of its
 * own every few seconds: of several bursts the quietest counts. A scrape that asked would ask in each of them.
 */
export async function measureScrapes(server: PostgresServer): Promise<{ scrapes: number; messages: number }> {
  const metricsPort = await freePort();
  const relay = await countingRelay(Number(new URL(server.url()).port));
  try {
    return await withDeployment(server, 'partners', 0, withWatching(), async ({ url, lethe }) => {
      const through = url.replace(/:\d+\//, `:${relay.port}/`);
      await lethe.addWorker({ DATABASE_URL: through, LETHE_METRICS_PORT: String(metricsPort) });
      const scrape = async () => (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
      const end = performance.now() + 60_000;
      while (!(await scrape()).includes('lethe_owner_tasks{')) {
        if (performance.now() > end) throw new Error('the gauges by owner are not exported');
        await pause(200);
      }
      let quietest = Number.POSITIVE_INFINITY;
      for (let n = 0; n < TRIES; n++) {
        const before = relay.messages();
        for (let i = 0; i < SCRAPES; i++) await scrape();
        // What a scrape would have begun without waiting for it.
        await pause(50);
        quietest = Math.min(quietest, relay.messages() - before);
        await pause(300);
      }
      return { scrapes: SCRAPES, messages: quietest };
    });
  } finally {
    relay.close();
  }
}
