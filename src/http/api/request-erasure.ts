import { createRoute, z } from '@hono/zod-openapi';
import type { Context as HonoContext } from 'hono';
import { createMiddleware } from 'hono/factory';
import {
  type Claimed,
  claimIdempotencyKey,
  idempotencyKeyHash,
  releaseIdempotencyKey,
  requestFingerprint,
  storeAnswer,
} from '../../erasure/accept/idempotency.ts';
import { requestErasure } from '../../erasure/accept/request.ts';
import { requireTestData } from '../../erasure/accept/require-test-data.ts';
import { notHeld, startErasure } from '../../erasure/accept/start.ts';
import { isOfEarlierAccount } from '../../erasure/model/newer-account.ts';
import { type Erasure, findErasure } from '../../erasure/model/states.ts';
import { LetheError } from '../../errors.ts';
import { beginErasure } from '../../jobs/begin-erasure.ts';
import { canonicalKey } from '../../keys/canonical.ts';
import { parseKey } from '../../keys/parse.ts';
import type { KeyValue } from '../../keys/types.ts';
import { authenticate, type Caller, requireRecentSignIn, requireScope } from '../access/auth.ts';
import { statusUrl } from '../access/status-link.ts';
import { acceptedResource } from '../bodies/representation.ts';
import { AcceptedErasure, type AcceptedWithoutLink, EraseRequest } from '../bodies/schemas.ts';
import { basePath } from '../server/base-path.ts';
import { withDeadline } from '../server/deadline.ts';
import { jsonBody } from '../server/json-body.ts';
import { API_KEY, JWT, location, noStore, problems, retryAfter } from './contract.ts';
import { DEADLINE_MS } from './known-erasure.ts';
import type { ApiApp, Parts } from './parts.ts';

const accepted = (description: string, headers: object = {}) => ({
  description,
  headers: { ...noStore, ...location, ...headers },
  content: { 'application/json': { schema: AcceptedErasure } },
});

export const requestErasureRoute = createRoute({
  method: 'post',
  path: '/v1/accounts/{accountId}/erasure',
  operationId: 'requestErasure',
  tags: ['erasures'],
  summary: 'Ask for the erasure of an account',
  description:
    'The account is flagged and signed out at once (of very many sessions the rest follows: `signingOut`). A small account is erased inside the request; a large one at `startsAt`, and ' +
    'until then it can be undone. Asking again gives the erasure that there is. A JWT must be of that account and of ' +
    'a recent sign-in. Scope of a key: `erasures:write`.',
  security: [JWT, API_KEY],
  request: {
    params: z.object({
      accountId: z.string().openapi({
        param: { name: 'accountId', in: 'path' },
        description: 'The key of the account: a whole number or a uuid, as the account table has it.',
        examples: ['4711'],
      }),
    }),
    headers: z.object({
      'Idempotency-Key': z
        .string()
        .min(1, 'expected 1 to 255 characters')
        .max(255, 'expected at most 255 characters')
        .optional()
        .openapi({
          description: 'For a day, a request with the same key and content gets the same answer.',
          examples: ['9b1c2f5e-delete-account'],
        }),
      'Lethe-Canary': z
        .uuid('expected a uuid')
        .optional()
        .openapi({
          description:
            'Sent by Lethe alone: the id of its test data. Where this database does not know the account as that test ' +
            'data, the answer is `not_found`: a person may have the key there.',
          examples: ['019aa1b2-c3d4-7e5f-8091-a2b3c4d5e6f7'],
        }),
    }),
    body: { content: { 'application/json': { schema: EraseRequest } } },
  },
  responses: {
    200: accepted('It is complete.'),
    202: accepted('It is accepted. `Retry-After`: seconds until it starts.', retryAfter),
    ...problems(
      'reauthentication_required',
      'change_ignored',
      'unexpected_changes',
      'not_found',
      'idempotency_key_in_flight',
      'idempotency_key_reused',
      'account_busy',
      'contended',
      'too_slow',
    ),
  },
});

/** `POST /v1/accounts/{accountId}/erasure`. */
export function serveRequestErasure(app: ApiApp, { ctx, config, auth, enqueue }: Parts): void {
  /** Runs before the validators: who may not do it learns nothing about what would be valid. */
  const onlyForAccount = createMiddleware<{ Variables: { caller: Caller; accountKey: KeyValue } }>(async (c, next) => {
    const key = parseKey(ctx.catalog.account.key, c.req.param('accountId') ?? '');
    const caller = await withDeadline(DEADLINE_MS, authenticate(c, auth, ctx));
    requireScope(caller, 'erasures:write');
    if (caller.kind === 'account' && caller.accountKey !== (await canonicalOf(key)))
      throw new LetheError('not_found', 'there is no such account');
    requireRecentSignIn(caller, auth);
    c.set('caller', caller);
    c.set('accountKey', key);
    await next();
  });

  app.openapi({ ...requestErasureRoute, middleware: [onlyForAccount, jsonBody] as const }, async (c) => {
    const { caller, accountKey } = c.var;
    const body = c.req.valid('json');
    const { 'Idempotency-Key': given, 'Lethe-Canary': canaryId } = c.req.valid('header');
    if (canaryId !== undefined) await withDeadline(DEADLINE_MS, requireTestData(ctx, canaryId, accountKey));
    if (given === undefined) return answer(c, config, await accept(caller, accountKey, body.startNow === true));

    const keyHash = idempotencyKeyHash(keyOwner(caller), given);
    const fingerprint = requestFingerprint(c.req.method, await canonicalOf(accountKey), body);
    const claim = await withDeadline(DEADLINE_MS, claimOwn(keyHash, fingerprint));
    if (claim.kind === 'answered')
      return repeat(c, config, {
        erasureId: claim.erasureId,
        status: claim.answer.status,
        body: claim.answer.body as AcceptedWithoutLink,
      });
    if (claim.kind === 'accepted') {
      // The process may have died between accepting and starting; an undo since then stays an undo.
      const dispatch =
        body.startNow === true ? await startErasure(ctx, claim.erasureId, notHeld, callerName(caller)) : null;
      if (dispatch) void enqueue.dispatch(dispatch);
      return answer(c, config, (await findErasure(ctx.db, claim.erasureId)) as Erasure);
    }
    try {
      const accepted = await accept(caller, accountKey, body.startNow === true, keyHash);
      await storeAnswer(ctx.db, keyHash, accepted.id, { status: statusOf(accepted), body: acceptedResource(accepted) });
      return answer(c, config, accepted);
    } catch (error) {
      // Best effort: the claim of a request that accepted nothing lapses by itself.
      await releaseIdempotencyKey(ctx.db, keyHash).catch((e: Error) =>
        ctx.log.debug({ code: e.name }, 'idempotency key not released'),
      );
      throw error;
    }
  });

  function canonicalOf(key: KeyValue): Promise<string> {
    return withDeadline(DEADLINE_MS, canonicalKey(ctx.db, ctx.catalog.account.key, key));
  }

  /** An answer about an account that had this key before is nobody's any more: neither is the Idempotency-Key. */
  async function claimOwn(keyHash: string, fingerprint: string): Promise<Claimed> {
    const claim = await claimIdempotencyKey(ctx.db, keyHash, fingerprint);
    if (claim.kind === 'fresh') return claim;
    const found = await findErasure(ctx.db, claim.erasureId);
    if (!found || !(await isOfEarlierAccount(ctx, found))) return claim;
    await releaseIdempotencyKey(ctx.db, keyHash, found.id);
    return claimIdempotencyKey(ctx.db, keyHash, fingerprint);
  }

  async function accept(caller: Caller, accountKey: KeyValue, startNow: boolean, keyHash?: string): Promise<Erasure> {
    const request = { accountKey, requestedBy: callerName(caller), idempotencyKeyHash: keyHash };
    const until = performance.now() + DEADLINE_MS;
    const accepted = await withDeadline(DEADLINE_MS, requestErasure(ctx, request, { eraseSmall: true, until }));
    return beginErasure(ctx, enqueue, accepted, { by: request.requestedBy, startNow });
  }
}

const callerName = (caller: Caller) => (caller.kind === 'key' ? `key:${caller.name}` : 'account');
/** Two accounts may choose the same Idempotency-Key: each has its own. */
const keyOwner = (caller: Caller) => (caller.kind === 'key' ? callerName(caller) : `account:${caller.accountKey}`);
const statusOf = (e: Erasure) => (e.state === 'completed' ? 200 : 202);

type Answer = { erasureId: string; status: number; body: AcceptedWithoutLink };

const answer = (c: HonoContext, config: Parts['config'], e: Erasure) =>
  repeat(c, config, { erasureId: e.id, status: statusOf(e), body: acceptedResource(e) });

/** Gives an answer, or gives one again. The link is never stored with it: its token opens the erasure. */
function repeat(c: HonoContext, config: Parts['config'], { erasureId, status, body }: Answer) {
  const wait = Math.ceil((Date.parse(body.startsAt) - Date.now()) / 1000);
  c.header('Location', `${basePath(config)}/v1/erasures/${erasureId}`);
  c.header('Cache-Control', 'no-store');
  if (status === 202) c.header('Retry-After', String(Math.max(2, wait)));
  return c.json({ ...body, statusUrl: statusUrl(config)(erasureId) }, status as 200 | 202);
}
