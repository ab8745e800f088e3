import { OpenAPIHono } from '@hono/zod-openapi';
import type { Context as HonoContext } from 'hono';
import { createMiddleware } from 'hono/factory';
import { cancelErasure } from '../../erasure/accept/cancel.ts';
import { replayErasure } from '../../erasure/accept/replay.ts';
import { notHeld, startErasure } from '../../erasure/accept/start.ts';
import { holdErasure, releaseErasure } from '../../erasure/model/hold.ts';
import { markEarlier } from '../../erasure/model/newer-account.ts';
import { type Erasure, findErasure, isFinal } from '../../erasure/model/states.ts';
import { type Filter, listErasures } from '../../erasure/progress/list.ts';
import type { Seen } from '../../erasure/progress/look.ts';
import { LetheError } from '../../errors.ts';
import { canonicalKey } from '../../keys/canonical.ts';
import { parseKey } from '../../keys/parse.ts';
import { accountDigest } from '../../tokens.ts';
import { authenticate, requireScope } from '../access/auth.ts';
import { type Authorized, authorize, type Need } from '../access/authorize.ts';
import type { Api } from '../api.ts';
import { erasureResource, erasureSummary } from '../bodies/representation.ts';
import { createSharedLook } from '../live/shared-look.ts';
import { publicUrl } from '../server/base-path.ts';
import { withDeadline } from '../server/deadline.ts';
import { jsonBody } from '../server/json-body.ts';
import { refuseInvalid } from '../server/problem.ts';
import * as route from './erasures-routes.ts';

const DEADLINE_MS = 1_800;
const ADMIN: Need = { scopes: ['admin'], account: false, token: false, recent: false };

/** `leftMs`: what is left of the deadline after the caller was let in. */
type Known = Authorized & { leftMs: number };

/** `/v1/erasures`: list; `/v1/erasures/{id}`: look, undo, start, replay, hold, release. */
export function erasureRoutes(api: Api): OpenAPIHono {
  const { ctx, enqueue } = api;
  const look = createSharedLook(ctx);
  const app = new OpenAPIHono({ defaultHook: refuseInvalid });

  /** Runs before the validators: who may not do it learns nothing about what would be valid. */
  const only = (need: Need) =>
    createMiddleware<{ Variables: Known }>(async (c, next) => {
      const begun = performance.now();
      const { erasure, by, admin } = await withDeadline(DEADLINE_MS, authorize(c, api, need));
      c.set('erasure', erasure);
      c.set('by', by);
      c.set('admin', admin);
      c.set('leftMs', DEADLINE_MS - (performance.now() - begun));
      await next();
    });

  /** Comes after the body was read: a client that sends it slowly must not be told that the database is away. */
  const inTime = createMiddleware<{ Variables: Known }>((c, next) => withDeadline(c.get('leftMs'), next()));
  const onlyInTime = (need: Need): [ReturnType<typeof only>, typeof inTime] => [only(need), inTime];

  const onlyAdminKeys = createMiddleware((c, next) =>
    withDeadline(
      DEADLINE_MS,
      (async () => {
        const caller = await authenticate(c, api.auth, ctx);
        if (caller.kind === 'account') throw new LetheError('forbidden', 'this needs an API key with the scope admin');
        requireScope(caller, 'admin');
        await next();
      })(),
    ),
  );

  const find = async (id: string) => (await findErasure(ctx.db, id)) as Erasure;

  const show = async (c: HonoContext<{ Variables: Known }>, now?: Erasure) => {
    const { erasure, progress } = (await look(c.get('erasure').id)) as Seen;
    return represent(c, { erasure: now ?? erasure, progress }, c.get('admin'));
  };

  /** One statement for the whole answer: front ends ask every few seconds. */
  const seeing = createMiddleware<{ Variables: { seen: Seen; admin: boolean } }>(async (c, next) => {
    const find = async (id: string) => {
      const seen = await look(id);
      if (seen) c.set('seen', seen);
      return seen?.erasure ?? null;
    };
    const need = { scopes: ['erasures:read' as const], account: true, token: true, recent: false };
    c.set('admin', (await withDeadline(DEADLINE_MS, authorize(c, api, need, find))).admin);
    await next();
  });

  app.openapi({ ...route.showErasure, middleware: seeing }, (c) =>
    c.json(represent(c, c.get('seen'), c.get('admin')), 200),
  );

  app.openapi(
    {
      ...route.cancelErasureRoute,
      middleware: onlyInTime({ scopes: ['erasures:write'], account: true, token: true, recent: false }),
    },
    async (c) => {
      await cancelErasure(ctx, c.get('erasure'), c.get('by'));
      return c.json(await show(c), 200);
    },
  );

  app.openapi(
    {
      ...route.startErasureRoute,
      middleware: onlyInTime({ scopes: ['erasures:write'], account: true, token: true, recent: true }),
    },
    async (c) => {
      const { id } = c.get('erasure');
      const dispatch = await startErasure(ctx, id, notHeld, c.get('by'));
      if (dispatch) void enqueue.dispatch(dispatch);
      else {
        // One that an undo or a hold was faster than is not started.
        const now = await find(id);
        if (isFinal(now.state)) throw new LetheError('not_live', `the erasure is ${now.state}`);
        refuseHeld(now);
      }
      return c.json(await show(c), 202);
    },
  );

  app.openapi({ ...route.replayErasureRoute, middleware: onlyInTime(ADMIN) }, async (c) => {
    const { id } = c.get('erasure');
    const dispatch = await replayErasure(ctx, id, c.get('by'), notHeld);
    if (dispatch) void enqueue.dispatch(dispatch);
    else {
      const now = await find(id);
      refuseHeld(now);
      if (now.state !== 'running')
        throw new LetheError('not_replayable', `the erasure is ${now.state}; only a stalled one is replayed`);
    }
    return c.json(await show(c), 202);
  });

  app.openapi({ ...route.holdErasureRoute, middleware: [only(ADMIN), jsonBody, inTime] as const }, async (c) => {
    const held = await holdErasure(ctx, c.get('erasure').id, c.get('by'), c.req.valid('json').reason);
    return c.json(await show(c, held), 200);
  });

  app.openapi({ ...route.releaseErasureRoute, middleware: onlyInTime(ADMIN) }, async (c) => {
    const released = await releaseErasure(ctx, c.get('erasure').id, c.get('by'));
    if (released.dispatch) void enqueue.dispatch(released.dispatch);
    return c.json(await show(c), 200);
  });

  app.openapi({ ...route.listErasuresRoute, middleware: onlyAdminKeys }, async (c) => {
    const { state, accountId, held, limit, cursor } = c.req.valid('query');
    const account: Pick<Filter, 'accountKey' | 'accountDigests'> =
      accountId === undefined ? {} : await ofAccount(accountId);
    const page = await listErasures(
      ctx.db,
      { state, held: held === undefined ? undefined : held === 'true', ...account },
      { limit, cursor },
    );
    page.erasures = await markEarlier(ctx, account.accountKey, page.erasures);
    if (page.nextCursor) {
      const query = new URLSearchParams({ ...c.req.query(), cursor: page.nextCursor });
      c.header('Link', `<${publicUrl(api.config)}/v1/erasures?${query}>; rel="next"`);
    }
    c.header('Cache-Control', 'no-store');
    return c.json({ erasures: page.erasures.map((e) => erasureSummary(e, true)), nextCursor: page.nextCursor }, 200);
  });

  return app;

  /** By key, and by digest with every secret: that finds those whose key was scrubbed. */
  async function ofAccount(text: string) {
    const accountKey = await canonicalKey(ctx.db, ctx.catalog.account.key, parseKey(ctx.catalog.account.key, text));
    return { accountKey, accountDigests: api.config.LETHE_SECRET.map((secret) => accountDigest([secret], accountKey)) };
  }
}

function represent(c: HonoContext, { erasure, progress }: Seen, admin: boolean) {
  if (!isFinal(erasure.state)) c.header('Retry-After', erasure.state === 'running' ? '2' : '30');
  c.header('Cache-Control', 'no-store');
  return erasureResource(erasure, progress, admin);
}

function refuseHeld(erasure: Erasure): void {
  if (erasure.heldAt) throw new LetheError('on_hold', 'the erasure is on hold; lift the hold first');
}
