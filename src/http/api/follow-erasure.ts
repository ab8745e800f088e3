import { createRoute, z } from '@hono/zod-openapi';
import { authorize } from '../access/authorize.ts';
import { ErasureEvent } from '../bodies/schemas.ts';
import { END_ID } from '../live/reading.ts';
import { withDeadline } from '../server/deadline.ts';
import { API_KEY, erasureParams, JWT, noStore, problems, STATUS_TOKEN } from './contract.ts';
import { DEADLINE_MS } from './known-erasure.ts';
import type { ApiApp, Parts } from './parts.ts';

export const followErasureRoute = createRoute({
  method: 'get',
  path: '/v1/erasures/{id}/events',
  operationId: 'followErasure',
  tags: ['erasures'],
  summary: 'Follow an erasure live',
  description:
    'Server-sent events. The first is a `snapshot`; `progress` and `state` follow. The data of all three is the ' +
    'erasure as `GET /v1/erasures/{id}` shows it, so the newest one alone is enough. After a final state comes `end`, ' +
    'and the stream ends. It may end at any other time too: connect again and go on with the next snapshot. A browser’s ' +
    '`EventSource` cannot send headers: give it the status token.',
  security: [JWT, API_KEY, STATUS_TOKEN],
  request: {
    params: erasureParams,
    headers: z.object({
      'Last-Event-ID': z.string().optional().openapi({ description: 'The id of the last event that was seen.' }),
    }),
  },
  responses: {
    200: {
      description: 'The stream. Lines that begin with a colon keep the connection open.',
      headers: noStore,
      content: { 'text/event-stream': { schema: ErasureEvent } },
    },
    204: {
      description: 'To a client that comes back after `end` (`Last-Event-ID: end`): stay away.',
      headers: noStore,
    },
    ...problems('not_found', 'link_ended'),
  },
});

/** A stream ends with its connection, and no proxy delays it. */
const HEADERS = {
  'Content-Type': 'text/event-stream',
  'Cache-Control': 'no-store',
  'X-Accel-Buffering': 'no',
  Connection: 'close',
};

/** `GET /v1/erasures/{id}/events`: the erasure's progress as server-sent events. */
export function serveFollowErasure(app: ApiApp, { ctx, auth, viewers }: Parts): void {
  const need = { scopes: ['erasures:read' as const], account: true, token: true, recent: false };
  app.openapi(followErasureRoute, async (c) => {
    const { id, first, audience, by, expires } = await withDeadline(
      DEADLINE_MS,
      (async () => {
        const { erasure, audience, by, expires } = await authorize(c, { ctx, auth }, need);
        return { id: erasure.id, first: await viewers.look(erasure.id), audience, by, expires };
      })(),
    );
    // A client that has seen the end and comes back: 204 is the answer after which an EventSource stays away.
    if (first.final && c.req.header('Last-Event-ID') === END_ID)
      return c.body(null, 204, { 'Cache-Control': 'no-store' });
    const { chunk } = first.since(undefined, audience);
    if (first.final) return c.body(chunk, 200, HEADERS);
    // The stream is opened after the deadline was kept: a late one would have no reader.
    const stream = viewers.open(id, first, { audience, by, expires, connection: c.env.outgoing });
    return c.body(stream ?? chunk, 200, HEADERS);
  });
}
