import { once } from 'node:events';
import { Hono } from 'hono';
import type { Metrics } from '../metrics.ts';
import { type Probed, readReadiness, SHARED_MS } from './api/readiness.ts';
import { keptFor } from './live/shared-look.ts';
import { createBoundedServer, INSIDE_LIMITS } from './server/limits.ts';
import { listening } from './server/listening.ts';

/** What the second port shows. */
export type Inside = Probed & { metrics: Metrics };

/** The application of the second port. It serves probes and a scraper, without authentication. */
export function createMetricsApp(inside: Inside): Hono {
  const app = new Hono();
  const text = keptFor(SHARED_MS, () => inside.metrics.text());
  const readiness = keptFor(SHARED_MS, () => readReadiness(inside));
  app.use(async (c, next) => {
    await next();
    c.header('Cache-Control', 'no-store');
  });
  app.get('/metrics', async (c) => {
    inside.metrics.drift.set(inside.ctx.drift.problems.length);
    c.header('Content-Type', inside.metrics.contentType);
    return c.body(await text());
  });
  app.get('/healthz', (c) => c.json({ status: 'ok' }));
  app.get('/readyz', async (c) => {
    const state = await readiness();
    return c.json(state, state.status === 'unavailable' ? 503 : 200);
  });
  return app;
}

/** Listens on the second port; 0 takes any free one. Rejects when the port cannot be had. */
export async function listenForMetrics(
  inside: Inside,
  options: { port: number; hostname: string },
): Promise<{ port: number; close: () => Promise<void> }> {
  const server = createBoundedServer(createMetricsApp(inside).fetch, {
    limits: INSIDE_LIMITS,
    hostname: options.hostname,
    trustedProxies: 0,
  });
  const port = await listening(server, options, 'LETHE_METRICS_PORT');
  return {
    port,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
