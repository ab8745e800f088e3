import { createRoute, z } from '@hono/zod-openapi';
import { STATES } from '../../erasure/model/states.ts';
import { Erasure, ErasureList, HoldRequest } from '../bodies/schemas.ts';
import { API_KEY, erasureParams, JWT, noStore, problems, retryAfter, STATUS_TOKEN } from './contract.ts';

// The definitions of `/v1/erasures`, which validate its requests and make its part of the document.

const shown = (description: string, headers: Record<string, { description: string; schema: object }> = retryAfter) => ({
  description,
  headers: { ...noStore, ...headers },
  content: { 'application/json': { schema: Erasure } },
});

export const showErasure = createRoute({
  method: 'get',
  path: '/v1/erasures/{id}',
  operationId: 'getErasure',
  tags: ['erasures'],
  summary: 'Look at an erasure',
  description: 'The erasure and its progress, location by location. Scope of a key: `erasures:read`.',
  security: [JWT, API_KEY, STATUS_TOKEN],
  request: { params: erasureParams },
  responses: { 200: shown('The erasure. `Retry-After` unless it is final.'), ...problems('not_found', 'link_ended') },
});

export const cancelErasureRoute = createRoute({
  method: 'delete',
  path: '/v1/erasures/{id}',
  operationId: 'cancelErasure',
  tags: ['erasures'],
  summary: 'Undo an erasure before anything is deleted',
  description:
    'Possible until it starts, and while it is stalled with nothing deleted; the account can sign in again. Undoing what is undone changes nothing. Scope of a ' +
    'key: `erasures:write`.',
  security: [JWT, API_KEY, STATUS_TOKEN],
  request: { params: erasureParams },
  responses: {
    200: shown('It is cancelled.'),
    ...problems('not_found', 'link_ended', 'already_started', 'account_busy', 'change_ignored'),
  },
});

export const startErasureRoute = createRoute({
  method: 'post',
  path: '/v1/erasures/{id}/start',
  operationId: 'startErasure',
  tags: ['erasures'],
  summary: 'Start now',
  description:
    'Skips the wait of a scheduled erasure. It cannot be undone then. Starting what runs changes nothing. A JWT must ' +
    'be of a recent sign-in. Scope of a key: `erasures:write`.',
  security: [JWT, API_KEY, STATUS_TOKEN],
  request: { params: erasureParams },
  responses: {
    202: shown('It is running, or was already.'),
    ...problems('not_found', 'link_ended', 'reauthentication_required', 'not_live', 'on_hold'),
  },
});

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
    202: shown('It is running, or was already.'),
    ...problems('not_found', 'not_replayable', 'on_hold'),
  },
});

export const holdErasureRoute = createRoute({
  method: 'post',
  path: '/v1/erasures/{id}/hold',
  operationId: 'holdErasure',
  tags: ['operations'],
  summary: 'Put an erasure on hold',
  description:
    'Nothing more is deleted until the hold is lifted; what is deleted already is gone. Asking again replaces who and ' +
    'why. Scope of the key: `admin`.',
  security: [API_KEY],
  request: {
    params: erasureParams,
    body: { required: true, content: { 'application/json': { schema: HoldRequest } } },
  },
  responses: { 200: shown('It is on hold.'), ...problems('not_found', 'not_live') },
});

export const releaseErasureRoute = createRoute({
  method: 'delete',
  path: '/v1/erasures/{id}/hold',
  operationId: 'releaseErasure',
  tags: ['operations'],
  summary: 'Lift the hold of an erasure',
  description:
    'It goes on where it was. While the application’s own column holds the account, the answer is `on_hold`. Lifting ' +
    'what is not held changes nothing. Scope of the key: `admin`.',
  security: [API_KEY],
  request: { params: erasureParams },
  responses: { 200: shown('It is not on hold.'), ...problems('not_found', 'not_live', 'on_hold') },
});

export const listErasuresRoute = createRoute({
  method: 'get',
  path: '/v1/erasures',
  operationId: 'listErasures',
  tags: ['operations'],
  summary: 'List erasures',
  description: 'Newest first, without their progress. Scope of the key: `admin`.',
  security: [API_KEY],
  request: {
    query: z.strictObject({
      state: z
        .enum(STATES, `expected one of ${STATES.join(', ')}`)
        .optional()
        .openapi({ description: 'Only those in this state.' }),
      accountId: z
        .string()
        .optional()
        .openapi({
          description: 'Only those of this account, also when their evidence was scrubbed.',
          examples: ['4711'],
        }),
      held: z
        .enum(['true', 'false'], 'expected true or false')
        .optional()
        .openapi({ description: 'Only those on hold, or only the others.' }),
      limit: z.coerce
        .number('expected a whole number from 1 to 200')
        .int('expected a whole number from 1 to 200')
        .min(1, 'expected a whole number from 1 to 200')
        .max(200, 'expected a whole number from 1 to 200')
        .default(50)
        .openapi({ type: 'integer', minimum: 1, maximum: 200, description: 'At most this many.' }),
      cursor: z
        .uuid('expected the nextCursor of the page before')
        .optional()
        .openapi({ description: 'The `nextCursor` of the page before.' }),
    }),
  },
  responses: {
    200: {
      description: 'A page of erasures.',
      headers: {
        ...noStore,
        Link: {
          description: 'The next page, `rel="next"`; missing on the last one.',
          schema: { type: 'string', examples: ['<https://lethe.example.net/v1/erasures?cursor=…>; rel="next"'] },
        },
      },
      content: { 'application/json': { schema: ErasureList } },
    },
    ...problems(),
  },
});
