import { Hono, type Context as HonoContext } from 'hono';
import { cancelErasure } from '../../erasure/cancel.ts';
import { replayErasure } from '../../erasure/replay.ts';
import { notHeld, startErasure } from '../../erasure/start.ts';
import { type Erasure, findErasure, isFinal } from '../../erasure/states.ts';
import { readProgress } from '../../erasure/status.ts';
import { LetheError } from '../../errors.ts';
import type { Api } from '../api.ts';
import { authorize } from '../authorize.ts';
import { withDeadline } from '../deadline.ts';
import { erasureResource } from '../representation.ts';

const DEADLINE_MS = 1_800;

/** `/v1/erasures/{id}`: look, undo, start, replay. */
export function erasureRoutes(api: Api): Hono {
  const { ctx, enqueue } = api;
  const app = new Hono();

  /** For a start that changed nothing: one that an undo was faster than is not started. */
  const refuseFinal = async (erasureId: string) => {
    const found = (await findErasure(ctx.db, erasureId)) as Erasure;
    if (isFinal(found.state)) throw new LetheError('not_live', `the erasure is ${found.state}`);
  };

  const show = async (c: HonoContext, erasureId: string, status: 200 | 202 = 200) => {
    const found = (await findErasure(ctx.db, erasureId)) as Erasure;
    const body = erasureResource(found, await readProgress(ctx.db, found));
    if (!isFinal(found.state)) c.header('Retry-After', found.state === 'running' ? '2' : '30');
    c.header('Cache-Control', 'no-store');
    return c.json(body, status);
  };

  app.get('/:id', (c) =>
    withDeadline(
      DEADLINE_MS,
      (async () => {
        const { erasure: found } = await authorize(c, api, {
          scopes: ['erasures:read'],
          account: true,
          token: true,
          recent: false,
        });
        return show(c, found.id);
      })(),
    ),
  );

  app.delete('/:id', (c) =>
    withDeadline(
      DEADLINE_MS,
      (async () => {
        const { erasure: found } = await authorize(c, api, {
          scopes: ['erasures:write'],
          account: true,
          token: true,
          recent: false,
        });
        await cancelErasure(ctx, found);
        return show(c, found.id);
      })(),
    ),
  );

  app.post('/:id/start', (c) =>
    withDeadline(
      DEADLINE_MS,
      (async () => {
        const { erasure: found } = await authorize(c, api, {
          scopes: ['erasures:write'],
          account: true,
          token: true,
          recent: true,
        });
        const dispatch = await startErasure(ctx, found.id, notHeld);
        if (dispatch) await enqueue.dispatch(dispatch);
        else await refuseFinal(found.id);
        return show(c, found.id, 202);
      })(),
    ),
  );

  app.post('/:id/replay', (c) =>
    withDeadline(
      DEADLINE_MS,
      (async () => {
        const { erasure: found } = await authorize(c, api, {
          scopes: ['admin'],
          account: false,
          token: false,
          recent: false,
        });
        const dispatch = await replayErasure(ctx, found.id, 'operator', notHeld);
        if (!dispatch && found.state !== 'running')
          throw new LetheError('not_replayable', `the erasure is ${found.state}; only a stalled one is replayed`);
        if (dispatch) await enqueue.dispatch(dispatch);
        return show(c, found.id, 202);
      })(),
    ),
  );

  return app;
}
