import { createRoute } from '@hono/zod-openapi';
import { notHeld, startErasure } from '../../erasure/accept/start.ts';
import { isFinal } from '../../erasure/model/states.ts';
import { LetheError } from '../../errors.ts';
import { API_KEY, erasureParams, JWT, problems, STATUS_TOKEN, shownErasure } from './contract.ts';
import { type KnownErasures, refuseHeld } from './known-erasure.ts';
import type { ApiApp, Parts } from './parts.ts';

export const startErasureRoute = createRoute({
  method: 'post',
  path: '/v1/erasures/{id}/start',
  operationId: 'startErasure',
  tags: ['erasures'],
  summary: 'Start now',
  description:
    'Skips the wait of a scheduled erasure. It cannot be undone then. Starting what runs changes nothing. A JWT must ' +
    'be of a recent sign-in. Scope of a key: `erasures:write`.',
  security: [JWT, API_KEY, STATUS_TOKEN],
  request: { params: erasureParams },
  responses: {
    202: shownErasure('It is running, or was already.'),
    ...problems('not_found', 'link_ended', 'reauthentication_required', 'not_live', 'on_hold'),
  },
});

/** `POST /v1/erasures/{id}/start`. */
export function serveStartErasure(app: ApiApp, { ctx, enqueue }: Parts, known: KnownErasures): void {
  const need = { scopes: ['erasures:write' as const], account: true, token: true, recent: true };
  app.openapi({ ...startErasureRoute, middleware: known.onlyInTime(need) }, async (c) => {
    const { id } = c.get('erasure');
    const dispatch = await startErasure(ctx, id, notHeld, c.get('by'));
    if (dispatch) void enqueue.dispatch(dispatch);
    else {
      // An undo or a hold may have come first: then nothing was started.
      const now = await known.find(id);
      if (isFinal(now.state)) throw new LetheError('not_live', `the erasure is ${now.state}`);
      refuseHeld(now);
    }
    return c.json(await known.show(c), 202);
  });
}
