import { createRoute } from '@hono/zod-openapi';
import { cancelErasure } from '../../erasure/accept/cancel.ts';
import { API_KEY, erasureParams, JWT, problems, STATUS_TOKEN, shownErasure } from './contract.ts';
import type { KnownErasures } from './known-erasure.ts';
import type { ApiApp, Parts } from './parts.ts';

export const cancelErasureRoute = createRoute({
  method: 'delete',
  path: '/v1/erasures/{id}',
  operationId: 'cancelErasure',
  tags: ['erasures'],
  summary: 'Undo an erasure before anything is deleted',
  description:
    'Possible until it starts, and while it is stalled with nothing deleted; the account can sign in again. Undoing what is undone changes nothing. Scope of a ' +
    'key: `erasures:write`.',
  security: [JWT, API_KEY, STATUS_TOKEN],
  request: { params: erasureParams },
  responses: {
    200: shownErasure('It is cancelled.'),
    ...problems('not_found', 'link_ended', 'already_started', 'account_busy', 'change_ignored'),
  },
});

/** `DELETE /v1/erasures/{id}`. */
export function serveCancelErasure(app: ApiApp, { ctx }: Parts, { onlyInTime, show }: KnownErasures): void {
  const need = { scopes: ['erasures:write' as const], account: true, token: true, recent: false };
  app.openapi({ ...cancelErasureRoute, middleware: onlyInTime(need) }, async (c) => {
    await cancelErasure(ctx, c.get('erasure'), c.get('by'));
    return c.json(await show(c), 200);
  });
}
