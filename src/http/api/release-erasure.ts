import { createRoute } from '@hono/zod-openapi';
import { releaseErasure } from '../../erasure/model/hold.ts';
import { API_KEY, erasureParams, problems, shownErasure } from './contract.ts';
import { ADMIN, type KnownErasures } from './known-erasure.ts';
import type { ApiApp, Parts } from './parts.ts';

export const releaseErasureRoute = createRoute({
  method: 'delete',
  path: '/v1/erasures/{id}/hold',
  operationId: 'releaseErasure',
  tags: ['operations'],
  summary: 'Lift the hold of an erasure',
  description:
    'It goes on where it was. While the application’s own column holds the account, the answer is `on_hold`. Lifting ' +
    'what is not held changes nothing. Scope of the key: `admin`.',
  security: [API_KEY],
  request: { params: erasureParams },
  responses: { 200: shownErasure('It is not on hold.'), ...problems('not_found', 'not_live', 'on_hold') },
});

/** `DELETE /v1/erasures/{id}/hold`. */
export function serveReleaseErasure(app: ApiApp, { ctx, enqueue }: Parts, { onlyInTime, show }: KnownErasures): void {
  app.openapi({ ...releaseErasureRoute, middleware: onlyInTime(ADMIN) }, async (c) => {
    const released = await releaseErasure(ctx, c.get('erasure').id, c.get('by'));
    if (released.dispatch) void enqueue.dispatch(released.dispatch);
    return c.json(await show(c), 200);
  });
}
