import { Hono, type Context as HonoContext } from 'hono';
import { z } from 'zod';
import { parseAccountId } from '../../erasure/account-id.ts';
import {
  claimIdempotencyKey,
  idempotencyKeyHash,
  releaseIdempotencyKey,
  requestFingerprint,
  storeAnswer,
} from '../../erasure/idempotency.ts';
import { canonicalKey, requestErasure } from '../../erasure/request.ts';
import { eraseNow, notHeld, startErasure } from '../../erasure/start.ts';
import { type Erasure, findErasure } from '../../erasure/states.ts';
import { LetheError } from '../../errors.ts';
import type { Api } from '../api.ts';
import { authenticate, type Caller, requireRecentSignIn, requireScope } from '../auth.ts';
import { withDeadline } from '../deadline.ts';
import { parse } from '../problem.ts';
import { acceptedResource } from '../representation.ts';

const requestBody = z.strictObject({ startNow: z.boolean('expected true or false').optional() });
const idempotencyKey = z.string().min(1).max(255, 'expected at most 255 characters').optional();
const JSON_TYPE = /^application\/([\w.-]+\+)?json\s*(;|$)/i;
const DEADLINE_MS = 1_800;

/** `POST /v1/accounts/{accountId}/erasure`. */
export function accountRoutes(api: Api): Hono {
  const { ctx, enqueue } = api;
  const app = new Hono();

  app.post('/:accountId/erasure', async (c) => {
    const key = parseAccountId(ctx.catalog, c.req.param('accountId'));
    const caller = await withDeadline(DEADLINE_MS, authenticate(c, api.auth, ctx));
    requireScope(caller, 'erasures:write');
    const canonical = await withDeadline(DEADLINE_MS, canonicalKey(ctx.db, ctx, key));
    if (caller.kind === 'account' && caller.accountKey !== canonical)
      throw new LetheError('not_found', 'there is no such account');
    requireRecentSignIn(caller, api.auth);
    const body = parse(requestBody, await readJson(c), 'body');
    const given = parse(idempotencyKey, c.req.header('Idempotency-Key'), 'Idempotency-Key');
    if (given === undefined) return answer(c, api, await accept(caller, canonical, body.startNow === true));

    const keyHash = idempotencyKeyHash(keyOwner(caller), given);
    const fingerprint = requestFingerprint(c.req.method, canonical, body);
    const claim = await withDeadline(DEADLINE_MS, claimIdempotencyKey(ctx.db, keyHash, fingerprint));
    if (claim.kind === 'answered')
      return replay(c, api, claim.erasureId, claim.answer.status, claim.answer.body as object);
    if (claim.kind === 'accepted') {
      // The process may have died between accepting and starting; an undo since then stays an undo.
      const dispatch = body.startNow === true ? await startErasure(ctx, claim.erasureId, notHeld) : null;
      if (dispatch) await enqueue.dispatch(dispatch);
      return answer(c, api, (await findErasure(ctx.db, claim.erasureId)) as Erasure);
    }
    try {
      const accepted = await accept(caller, canonical, body.startNow === true, keyHash);
      await storeAnswer(ctx.db, keyHash, accepted.id, { status: statusOf(accepted), body: acceptedResource(accepted) });
      return answer(c, api, accepted);
    } catch (error) {
      // Best effort: the claim of a request that accepted nothing lapses by itself.
      await releaseIdempotencyKey(ctx.db, keyHash).catch((e: Error) =>
        ctx.log.debug({ code: e.name }, 'idempotency key not released'),
      );
      throw error;
    }
  });

  return app;

  async function accept(caller: Caller, accountKey: string, startNow: boolean, keyHash?: string): Promise<Erasure> {
    const request = { accountKey: [accountKey], requestedBy: callerName(caller), idempotencyKeyHash: keyHash };
    const { erasure, created } = await withDeadline(DEADLINE_MS, requestErasure(ctx, request));
    if (created)
      ctx.log.info(
        { erasureId: erasure.id, mode: erasure.mode, requestedBy: request.requestedBy },
        'erasure requested',
      );
    if (created && erasure.mode === 'immediate') {
      const dispatch = await eraseNow(ctx, erasure);
      if (dispatch) await enqueue.dispatch(dispatch);
    } else if (startNow && erasure.state === 'scheduled') {
      const dispatch = await startErasure(ctx, erasure.id, notHeld);
      if (dispatch) await enqueue.dispatch(dispatch);
    }
    if (created) await enqueue.mailsOf(erasure.id);
    return (await findErasure(ctx.db, erasure.id)) as Erasure;
  }
}

const callerName = (caller: Caller) => (caller.kind === 'key' ? `key:${caller.name}` : 'account');
/** Two accounts may choose the same Idempotency-Key: each has its own. */
const keyOwner = (caller: Caller) => (caller.kind === 'key' ? callerName(caller) : `account:${caller.accountKey}`);
const statusOf = (e: Erasure) => (e.state === 'completed' ? 200 : 202);

async function readJson(c: HonoContext): Promise<unknown> {
  const text = await c.req.text();
  if (text.trim() === '') return {};
  if (!JSON_TYPE.test(c.req.header('Content-Type') ?? ''))
    throw new LetheError('invalid_request', 'Content-Type: expected application/json', { field: 'Content-Type' });
  try {
    return JSON.parse(text);
  } catch {
    throw new LetheError('invalid_request', 'body: expected JSON', { field: 'body' });
  }
}

function answer(c: HonoContext, api: Api, e: Erasure): Response {
  return replay(c, api, e.id, statusOf(e), acceptedResource(e));
}

function replay(c: HonoContext, api: Api, erasureId: string, status: number, body: object): Response {
  const startsAt = 'startsAt' in body ? Date.parse(String(body.startsAt)) : 0;
  c.header('Location', `/v1/erasures/${erasureId}`);
  c.header('Cache-Control', 'no-store');
  if (status === 202) c.header('Retry-After', String(Math.max(2, Math.ceil((startsAt - Date.now()) / 1000))));
  return c.json({ ...body, statusUrl: api.statusUrl(erasureId) }, status as 200 | 202);
}
