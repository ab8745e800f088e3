import { createRoute } from '@hono/zod-openapi';
import { Health, Readiness } from '../bodies/schemas.ts';
import { keptFor } from '../live/shared-look.ts';
import { noStore, tooLargeHeaders } from './contract.ts';
import type { ApiApp, Parts } from './parts.ts';
import { readReadiness, SHARED_MS } from './readiness.ts';

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
  description:
    'For a readiness probe. Without Redis it still can: reconcile delivers later. Looks once a second at most.',
  security: [],
  responses: { 200: readiness('It can.'), 503: readiness('It cannot, for now.'), ...tooLargeHeaders },
});

/** `/healthz`: the process answers. `/readyz`: it can take requests; without Redis it still can. */
export function serveHealth(app: ApiApp, { ctx, producers }: Parts): void {
  const readiness = keptFor(SHARED_MS, () => readReadiness({ ctx, producers }));
  app.openapi(healthRoute, (c) => c.json({ status: 'ok' as const }, 200));

  app.openapi(readinessRoute, async (c) => {
    const state = await readiness();
    c.header('Cache-Control', 'no-store');
    return c.json(state, state.status === 'unavailable' ? 503 : 200);
  });
}
