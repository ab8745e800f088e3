import { createRoute } from '@hono/zod-openapi';
import { createMiddleware } from 'hono/factory';
import type { Seen } from '../../erasure/progress/look.ts';
import { authorize } from '../access/authorize.ts';
import type { Audience } from '../bodies/representation.ts';
import { withDeadline } from '../server/deadline.ts';
import { API_KEY, erasureParams, JWT, problems, STATUS_TOKEN, shownErasure } from './contract.ts';
import { DEADLINE_MS, type KnownErasures } from './known-erasure.ts';
import type { ApiApp, Parts } from './parts.ts';

export const showErasureRoute = createRoute({
  method: 'get',
  path: '/v1/erasures/{id}',
  operationId: 'getErasure',
  tags: ['erasures'],
  summary: 'Look at an erasure',
  description: 'The erasure and its progress, location by location. Scope of a key: `erasures:read`.',
  security: [JWT, API_KEY, STATUS_TOKEN],
  request: { params: erasureParams },
  responses: {
    200: shownErasure('The erasure. `Retry-After` unless it is final.'),
    ...problems('not_found', 'link_ended'),
  },
});

/** `GET /v1/erasures/{id}`. One statement reads the whole answer: front ends ask every few seconds. */
export function serveShowErasure(app: ApiApp, { ctx, auth }: Parts, { look, represent }: KnownErasures): void {
  const seeing = createMiddleware<{ Variables: { seen: Seen; audience: Audience } }>(async (c, next) => {
    const find = async (id: string) => {
      const seen = await look(id);
      if (seen) c.set('seen', seen);
      return seen?.erasure ?? null;
    };
    const need = { scopes: ['erasures:read' as const], account: true, token: true, recent: false };
    c.set('audience', (await withDeadline(DEADLINE_MS, authorize(c, { ctx, auth }, need, find))).audience);
    await next();
  });

  app.openapi({ ...showErasureRoute, middleware: seeing }, (c) =>
    c.json(represent(c, c.get('seen'), c.get('audience')), 200),
  );
}
