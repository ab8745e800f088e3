import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serve } from '@hono/node-server';
import { sql } from 'drizzle-orm';
import { Hono } from 'hono';
import { pendingMigrations } from '../db/migrate.ts';
import type { Context } from '../erasure/context.ts';
import type { Producers } from '../jobs/connection.ts';
import type { Metrics } from '../metrics.ts';
import { withDeadline } from './deadline.ts';

const DEADLINE_MS = 1_500;

/** What the second port shows. `working` is asked of workers: whether every queue is being consumed. */
export type Inside = {
  ctx: Pick<Context, 'db'>;
  producers: Pick<Producers, 'redis'>;
  metrics: Metrics;
  working?: () => boolean;
};

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

/**
 * Whether this process can do its work: `unavailable` without a database that accepts writes and has
 * all migrations; a worker also without Redis, or while it consumes nothing. An API survives without
 * Redis: `degraded`.
 */
export async function readReadiness({ ctx, producers, working }: Inside) {
  const [postgres, migrated, redis] = await Promise.all([
    answers(async () => {
      const [row] = await ctx.db.execute<{ standby: boolean }>(sql`SELECT pg_is_in_recovery() AS standby`);
      if (row?.standby) throw new Error('standby');
    }),
    answers(async () => {
      if ((await pendingMigrations(ctx.db)) > 0) throw new Error('pending');
    }),
    answers(async () => void (await producers.redis.ping())),
  ]);
  const busy = working?.();
  const ready = postgres && migrated && (working === undefined || (redis && busy === true));
  const word = (ok: boolean) => (ok ? 'ok' : 'away');
  return {
    status: !ready ? 'unavailable' : redis ? 'ok' : 'degraded',
    postgres: word(postgres),
    migrations: migrated ? 'ok' : 'pending',
    redis: word(redis),
    ...(busy === undefined ? {} : { queues: busy ? 'ok' : 'not consumed' }),
  };
}

const answers = (probe: () => Promise<void>) =>
  withDeadline(DEADLINE_MS, probe()).then(
    () => true,
    () => false,
  );

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
