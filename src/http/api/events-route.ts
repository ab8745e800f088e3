import { createRoute, z } from '@hono/zod-openapi';
import { ErasureEvent } from '../bodies/schemas.ts';
import { API_KEY, erasureParams, JWT, noStore, problems, STATUS_TOKEN } from './contract.ts';

/** `GET /v1/erasures/{id}/events`, its definition only. */
export const eventsRoute = createRoute({
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
