import { createRoute, type z } from '@hono/zod-openapi';
import { createMiddleware } from 'hono/factory';
import { isReplayCursor, type Many, replayMany } from '../../erasure/accept/replay-many.ts';
import { LetheError } from '../../errors.ts';
import { parseSince, SINCE_EXPECTED } from '../../settings/since.ts';
import { authenticate, requireScope } from '../access/auth.ts';
import { ReplayRequest, ReplayResult } from '../bodies/replays.ts';
import { withDeadline } from '../server/deadline.ts';
import { API_KEY, noStore, problems } from './contract.ts';
import { DEADLINE_MS } from './known-erasure.ts';
import type { ApiApp, Parts } from './parts.ts';

export const replayManyRoute = createRoute({
  method: 'post',
  path: '/v1/replays',
  operationId: 'replayMany',
  tags: ['operations'],
  summary: 'Replay many erasures: what has stalled, or what partners were told',
  description:
    'With `failed: true` every stalled erasure runs its unfinished work again. With `partner`, `since` or both, partners ' +
    'that have acknowledged are asked anew, and what waits for its next try is due at once. An answer tells of a part: ' +
    'send the same again with `cursor` until `nextCursor` is null. What somebody new has the key of is left out. ' +
    'Scope of the key: `admin`.',
  security: [API_KEY],
  request: { body: { required: true, content: { 'application/json': { schema: ReplayRequest } } } },
  responses: {
    200: {
      description: 'What was replayed, counted.',
      headers: noStore,
      content: { 'application/json': { schema: ReplayResult } },
    },
    ...problems(),
  },
});

/** A request works for so long: the rest of its deadline is for the page that is under way. */
const WORK_MS = 600;

/** `POST /v1/replays`. */
export function serveReplayMany(app: ApiApp, { ctx, auth, enqueue }: Parts): void {
  const onlyAdminKeys = createMiddleware<{ Variables: { by: string } }>(async (c, next) => {
    const caller = await withDeadline(DEADLINE_MS, authenticate(c, auth, ctx));
    if (caller.kind === 'account') throw new LetheError('forbidden', 'this needs an API key with the scope admin');
    requireScope(caller, 'admin');
    c.set('by', `key:${caller.name}`);
    await next();
  });

  app.openapi({ ...replayManyRoute, middleware: onlyAdminKeys }, async (c) => {
    const { dryRun, cursor, ...asked } = c.req.valid('json');
    if (cursor !== undefined && !isReplayCursor(cursor))
      throw invalid('cursor', 'expected the nextCursor of an answer');
    if (cursor !== undefined && Object.keys(asked).length === 0)
      throw invalid('cursor', 'expected with what the request before asked for');
    const which = whichOf(asked);
    const end = performance.now() + WORK_MS;
    const options = {
      dryRun: dryRun === true,
      cursor,
      dispatch: async (dispatch: Parameters<typeof enqueue.dispatch>[0]) => void enqueue.dispatch(dispatch),
      enough: () => performance.now() > end,
    };
    const so = await withDeadline(DEADLINE_MS, replayMany(ctx, which, c.get('by'), options));
    c.header('Cache-Control', 'no-store');
    return c.json(so, 200);
  });
}

const invalid = (field: string, words: string) => new LetheError('invalid_request', `${field}: ${words}`, { field });

function whichOf({ failed, partner, since }: z.infer<typeof ReplayRequest>): Many {
  if (failed) {
    if (partner !== undefined || since !== undefined) throw invalid('failed', 'expected alone, or partner and since');
    return { failed };
  }
  if (partner === undefined && since === undefined) throw invalid('partner', 'expected failed, partner or since');
  const at = since === undefined ? undefined : parseSince(since);
  if (at === null) throw invalid('since', SINCE_EXPECTED);
  return { partner, since: at };
}
