import { createRoute, OpenAPIHono } from '@hono/zod-openapi';
import { sql } from 'drizzle-orm';
import { pendingMigrations } from '../../db/migrate.ts';
import type { Api } from '../api.ts';
import { noStore, tooLargeHeaders } from '../contract.ts';
import { withDeadline } from '../deadline.ts';
import { Health, Readiness } from '../schemas.ts';

const DEADLINE_MS = 1_500;

export const healthRoute = createRoute({
  method: 'get',
  path: '/healthz',
  operationId: 'getHealth',
  tags: ['process'],
  summary: 'Is the process alive?',
  description: 'For a liveness probe: it asks neither Postgres nor Redis.',
  security: [],
  responses: {
    200: { description: 'It is.', content: { 'application/json': { schema: Health } } },
    ...tooLargeHeaders,
  },
});

const readiness = (description: string) => ({
  description,
  headers: noStore,
  content: { 'application/json': { schema: Readiness } },
});

export const readinessRoute = createRoute({
  method: 'get',
  path: '/readyz',
  operationId: 'getReadiness',
  tags: ['process'],
  summary: 'Can the process take requests?',
  description: 'For a readiness probe. Without Redis it still can: reconcile delivers later.',
  security: [],
  responses: { 200: readiness('It can.'), 503: readiness('It cannot, for now.'), ...tooLargeHeaders },
});

/** `/healthz`: the process answers. `/readyz`: it can take requests; without Redis it still can. */
export function healthRoutes(api: Api): OpenAPIHono {
  const app = new OpenAPIHono();
  app.openapi(healthRoute, (c) => c.json({ status: 'ok' as const }, 200));

  app.openapi(readinessRoute, async (c) => {
    const [postgres, migrations, redis] = await Promise.all([
      check(async () => void (await api.ctx.db.execute(sql`SELECT 1`))),
      check(async () => {
        if ((await pendingMigrations(api.ctx.db)) > 0) throw new Error('pending');
      }),
      check(async () => void (await api.producers.redis.ping())),
    ]);
    const ready = postgres && migrations;
    const status = !ready ? ('unavailable' as const) : redis ? ('ok' as const) : ('degraded' as const);
    const word = (ok: boolean) => (ok ? ('ok' as const) : ('away' as const));
    c.header('Cache-Control', 'no-store');
    return c.json(
      {
        status,
        postgres: word(postgres),
        migrations: migrations ? ('ok' as const) : ('pending' as const),
        redis: word(redis),
      },
      ready ? 200 : 503,
    );
  });
  return app;
}

const check = (probe: () => Promise<void>) =>
  withDeadline(DEADLINE_MS, probe()).then(
    () => true,
    () => false,
  );
