import { createRoute } from '@hono/zod-openapi';
import { holdErasure } from '../../erasure/model/hold.ts';
import { HoldRequest } from '../bodies/schemas.ts';
import { jsonBody } from '../server/json-body.ts';
import { API_KEY, erasureParams, problems, shownErasure } from './contract.ts';
import { ADMIN, type KnownErasures } from './known-erasure.ts';
import type { ApiApp, Parts } from './parts.ts';

export const holdErasureRoute = createRoute({
  method: 'post',
  path: '/v1/erasures/{id}/hold',
  operationId: 'holdErasure',
  tags: ['operations'],
  summary: 'Put an erasure on hold',
  description:
    'Nothing more is deleted until the hold is lifted; what is deleted already is gone. Asking again replaces who and ' +
    'why. Scope of the key: `admin`.',
  security: [API_KEY],
  request: {
    params: erasureParams,
    body: { required: true, content: { 'application/json': { schema: HoldRequest } } },
  },
  responses: { 200: shownErasure('It is on hold.'), ...problems('not_found', 'not_live') },
});

/** `POST /v1/erasures/{id}/hold`. */
export function serveHoldErasure(app: ApiApp, { ctx }: Parts, { only, inTime, show }: KnownErasures): void {
  app.openapi({ ...holdErasureRoute, middleware: [only(ADMIN), jsonBody, inTime] as const }, async (c) => {
    const held = await holdErasure(ctx, c.get('erasure').id, c.get('by'), c.req.valid('json').reason);
    return c.json(await show(c, held), 200);
  });
}
