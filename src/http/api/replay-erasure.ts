import { createRoute } from '@hono/zod-openapi';
import { isOfPartners, notReplayable, replayAsItIs } from '../../erasure/accept/replay-as-it-is.ts';
import { API_KEY, erasureParams, problems, shownErasure } from './contract.ts';
import { ADMIN, type KnownErasures, refuseHeld } from './known-erasure.ts';
import type { ApiApp, Parts } from './parts.ts';

export const replayErasureRoute = createRoute({
  method: 'post',
  path: '/v1/erasures/{id}/replay',
  operationId: 'replayErasure',
  tags: ['operations'],
  summary: 'Run the unfinished work of a stalled erasure again, or ask its partners again',
  description:
    'Of a stalled erasure what is finished stays so. Of one whose account is gone, partners that have acknowledged are ' +
    'asked anew, and what waits for its next try is due at once. Any time, and any number of times. Scope of the key: `admin`.',
  security: [API_KEY],
  request: { params: erasureParams },
  responses: {
    202: shownErasure('It is running, or awaits its partners.'),
    ...problems('not_found', 'not_replayable', 'newer_account', 'on_hold'),
  },
});

/** `POST /v1/erasures/{id}/replay`. */
export function serveReplayErasure(app: ApiApp, { ctx, enqueue }: Parts, known: KnownErasures): void {
  app.openapi({ ...replayErasureRoute, middleware: known.onlyInTime(ADMIN) }, async (c) => {
    const { id } = c.get('erasure');
    const dispatch = await replayAsItIs(ctx, c.get('erasure'), c.get('by'));
    if (dispatch) void enqueue.dispatch(dispatch);
    else {
      const now = await known.find(id);
      refuseHeld(now);
      if (now.state !== 'running' && !isOfPartners(now)) throw notReplayable(now);
    }
    return c.json(await known.show(c), 202);
  });
}
