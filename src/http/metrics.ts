import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import type { Metrics } from '../metrics.ts';
import { type Probed, readReadiness } from './readiness.ts';

/** What the second port shows. */
export type Inside = Probed & { metrics: Metrics };

/** The application of the second port: for probes and for a scraper, without authentication. */
export function createMetricsApp(inside: Inside): Hono {
  const app = new Hono();
  app.use(async (c, next) => {
    await next();
    c.header('Cache-Control', 'no-store');
  });
  app.get('/metrics', async (c) => {
    c.header('Content-Type', inside.metrics.contentType);
    return c.body(await inside.metrics.text());
  });
  app.get('/healthz', (c) => c.json({ status: 'ok' }));
  app.get('/readyz', async (c) => {
    const state = await readReadiness(inside);
    return c.json(state, state.status === 'unavailable' ? 503 : 200);
  });
  return app;
}

/** Listens on the second port; 0 takes any free one. Rejects when the port cannot be had. */
export async function listenForMetrics(
  inside: Inside,
  options: { port: number; hostname: string },
): Promise<{ port: number; close: () => Promise<void> }> {
  const server = serve({ fetch: createMetricsApp(inside).fetch, ...options }) as Server;
  const failed = once(server, 'error').then(([error]) => Promise.reject(error));
  await Promise.race([once(server, 'listening'), failed]);
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
