import { createRoute } from '@hono/zod-openapi';
import { replayErasure } from '../../erasure/accept/replay.ts';
import { notHeld } from '../../erasure/accept/start.ts';
import { LetheError } from '../../errors.ts';
import { API_KEY, erasureParams, problems, shownErasure } from './contract.ts';
import { ADMIN, type KnownErasures, refuseHeld } from './known-erasure.ts';
import type { ApiApp, Parts } from './parts.ts';

export const replayErasureRoute = createRoute({
  method: 'post',
  path: '/v1/erasures/{id}/replay',
  operationId: 'replayErasure',
  tags: ['operations'],
  summary: 'Run the unfinished work of a stalled erasure again',
  description: 'What is finished stays so. Scope of the key: `admin`.',
  security: [API_KEY],
  request: { params: erasureParams },
  responses: {
    202: shownErasure('It is running, or was already.'),
    ...problems('not_found', 'not_replayable', 'on_hold'),
  },
});

/** `POST /v1/erasures/{id}/replay`. */
export function serveReplayErasure(app: ApiApp, { ctx, enqueue }: Parts, known: KnownErasures): void {
  app.openapi({ ...replayErasureRoute, middleware: known.onlyInTime(ADMIN) }, async (c) => {
    const { id } = c.get('erasure');
    const dispatch = await replayErasure(ctx, id, c.get('by'), notHeld);
    if (dispatch) void enqueue.dispatch(dispatch);
    else {
      const now = await known.find(id);
      refuseHeld(now);
      if (now.state !== 'running')
        throw new LetheError('not_replayable', `the erasure is ${now.state}; only a stalled one is replayed`);
    }
    return c.json(await known.show(c), 202);
  });
}
