import { createRoute } from '@hono/zod-openapi';
import { createMiddleware } from 'hono/factory';
import { requestErasure } from '../../erasure/accept/request.ts';
import { keyOfMessage } from '../../erasure/partner/key-of-message.ts';
import {
  type Asked,
  askerOf,
  type Found,
  findStanding,
  recordStanding,
  type Standing,
  standingOf,
} from '../../erasure/partner/standing.ts';
import { LetheError } from '../../errors.ts';
import { beginErasure } from '../../jobs/begin-erasure.ts';
import type { KeyValue } from '../../keys/types.ts';
import { MESSAGE_TYPE } from '../../partners/message.ts';
import { problemOfUrl } from '../../partners/tell.ts';
import { PARTNER_PATH, readSigned, type Signed } from '../access/partner-signature.ts';
import { PartnerAnswer, PartnerMessage } from '../bodies/schemas.ts';
import { withDeadline } from '../server/deadline.ts';
import { jsonBody } from '../server/json-body.ts';
import { noStore, problems, SIGNATURE } from './contract.ts';
import { DEADLINE_MS } from './known-erasure.ts';
import type { ApiApp, Parts } from './parts.ts';

const standing = (description: string) => ({
  description,
  headers: noStore,
  content: { 'application/json': { schema: PartnerAnswer } },
});

export const requestPartnerErasureRoute = createRoute({
  method: 'post',
  path: PARTNER_PATH,
  operationId: 'requestPartnerErasure',
  tags: ['partners'],
  summary: 'Ask for an erasure as a partner does',
  description:
    'For another Lethe whose catalog names this one as a partner of the kind `http`. The message is a CloudEvents event, ' +
    'signed by Standard Webhooks with `LETHE_PARTNER_SECRET`. The account is erased without an undo window. A message ' +
    'that comes again changes nothing. An account that is younger than the request is left alone.',
  security: [SIGNATURE],
  request: { body: { content: { [MESSAGE_TYPE]: { schema: PartnerMessage } }, required: true } },
  responses: {
    200: standing('It is erased, or there is no such account.'),
    202: standing('It is being erased, or on hold. It is acknowledged at `data.acknowledge.url` when it is complete.'),
    ...problems('not_found', 'account_busy', 'contended', 'too_slow', 'change_ignored', 'unexpected_changes'),
  },
});

/** `POST /v1/partner/erasures`: a second Lethe as a partner of the first. */
export function serveRequestPartnerErasure(app: ApiApp, { ctx, config, auth, enqueue }: Parts): void {
  /** Runs before the validators: who has not signed the message learns nothing about what would be valid. */
  const onlySigned = createMiddleware<{ Variables: { signed: Signed } }>(async (c, next) => {
    c.set('signed', await readSigned(c, auth));
    await next();
  });

  app.openapi({ ...requestPartnerErasureRoute, middleware: [onlySigned, jsonBody] as const }, async (c) => {
    const signed = c.get('signed');
    const { id, source, data } = c.req.valid('json');
    if (id !== signed.id || data.task !== id) throw refuse('id', 'expected the webhook-id, in data.task as well');
    if (data.keys) throw refuse('data.keys', 'accounts are erased here, and no single keys');
    const problem = problemOfUrl(data.acknowledge.url, config.LETHE_PRIVATE_HOSTS);
    if (problem) throw refuse('data.acknowledge.url', problem);
    const key = keyOfMessage(ctx.catalog.account.key, data.account);
    const asked = { id, source, acknowledge: data.acknowledge };
    // Both times are of the sender's clock, so that it does not matter what that shows.
    const ageMs = Math.max(0, signed.sentAt - Date.parse(data.requestedAt));
    const status = await withDeadline(DEADLINE_MS, erase(asked, key, ageMs));
    c.header('Cache-Control', 'no-store');
    return c.json({ task: id, status }, status === 'accepted' ? 202 : 200);
  });

  async function erase(asked: Asked, key: KeyValue, ageMs: number): Promise<Standing> {
    const known = await findStanding(ctx, asked);
    if (known && known.standing !== 'accepted') return known.standing;
    const found = known ?? (await accept(asked, key, ageMs));
    await recordStanding(ctx, asked, found);
    return found.standing;
  }

  async function accept(asked: Asked, accountKey: KeyValue, ageMs: number): Promise<Found> {
    const requestedBy = askerOf(asked.source);
    const until = performance.now() + DEADLINE_MS;
    try {
      const accepted = await requestErasure(
        ctx,
        { accountKey, requestedBy, olderThanMs: ageMs },
        { eraseSmall: true, until },
      );
      const now = await beginErasure(ctx, enqueue, accepted, { by: requestedBy, startNow: true });
      return { erasureId: now.id, standing: standingOf(now, asked.source) };
    } catch (error) {
      if (!(error instanceof LetheError) || error.code !== 'not_found') throw error;
      return { erasureId: null, standing: 'not_found' };
    }
  }
}

const refuse = (field: string, words: string) => new LetheError('invalid_request', `${field}: ${words}`, { field });
