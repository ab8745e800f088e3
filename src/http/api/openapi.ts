import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { ERRORS } from '../../errors.ts';
import { acknowledgeTaskRoute } from './acknowledge-task.ts';
import { asyncapiRoute } from './asyncapi.ts';
import { cancelErasureRoute } from './cancel-erasure.ts';
import { named, problemExample, rateLimited, tooLargeHeaders } from './contract.ts';
import { followErasureRoute } from './follow-erasure.ts';
import { healthRoute, readinessRoute } from './health.ts';
import { holdErasureRoute } from './hold-erasure.ts';
import { listErasuresRoute } from './list-erasures.ts';
import type { ApiApp } from './parts.ts';
import { releaseErasureRoute } from './release-erasure.ts';
import { replayErasureRoute } from './replay-erasure.ts';
import { replayManyRoute } from './replay-many.ts';
import { requestErasureRoute } from './request-erasure.ts';
import { requestPartnerErasureRoute } from './request-partner-erasure.ts';
import { showErasureRoute } from './show-erasure.ts';
import { startErasureRoute } from './start-erasure.ts';

const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const documentRoute = createRoute({
  method: 'get',
  path: '/openapi.json',
  operationId: 'getOpenApi',
  tags: ['process'],
  summary: 'This document',
  description: 'OpenAPI 3.1, generated from what validates the requests.',
  security: [],
  responses: {
    200: {
      description: 'The document.',
      headers: {
        'Cache-Control': { description: 'For five minutes.', schema: { type: 'string' } },
        ETag: { description: 'Changes with the content.', schema: { type: 'string' } },
      },
      content: { 'application/json': { schema: z.looseObject({ openapi: z.string() }) } },
    },
    304: { description: 'The document that `If-None-Match` names is still the one.' },
    ...rateLimited,
    ...tooLargeHeaders,
  },
});

/** Every route of the API, in the order of the document. */
export const ROUTES = [
  requestErasureRoute,
  listErasuresRoute,
  showErasureRoute,
  cancelErasureRoute,
  followErasureRoute,
  startErasureRoute,
  replayErasureRoute,
  replayManyRoute,
  holdErasureRoute,
  releaseErasureRoute,
  acknowledgeTaskRoute,
  requestPartnerErasureRoute,
  healthRoute,
  readinessRoute,
  documentRoute,
  asyncapiRoute,
];

/**
 * The HTTP API as an OpenAPI 3.1 document, from the definitions that validate its requests. `base`: the folder that a
 * proxy serves it below.
 */
export function createDocument(base = '') {
  const { openAPIRegistry, getOpenAPI31Document } = new OpenAPIHono();
  for (const route of ROUTES) openAPIRegistry.registerPath(route);
  openAPIRegistry.registerComponent('securitySchemes', 'jwt', {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'Signed by the application: `sub` is the account, `auth_time` the sign-in. Reaches that account only.',
  });
  openAPIRegistry.registerComponent('securitySchemes', 'apiKey', {
    type: 'http',
    scheme: 'bearer',
    description: 'A key of `LETHE_API_KEYS`; its scopes say what it may do. `admin` includes the others.',
  });
  openAPIRegistry.registerComponent('securitySchemes', 'statusToken', {
    type: 'apiKey',
    in: 'query',
    name: 'token',
    description: 'The token of a `statusUrl`: opens exactly that erasure, also after sign-out.',
  });
  openAPIRegistry.registerComponent('securitySchemes', 'taskToken', {
    type: 'http',
    scheme: 'bearer',
    description: 'The token that a message to a partner carries: acknowledges exactly that message.',
  });
  openAPIRegistry.registerComponent('securitySchemes', 'signature', {
    type: 'apiKey',
    in: 'header',
    name: 'webhook-signature',
    description:
      'Standard Webhooks 1.0.0: signs `webhook-id`, `webhook-timestamp` and the body. At most five minutes old.',
  });
  for (const code of named)
    openAPIRegistry.registerComponent('examples', code, { summary: ERRORS[code].title, value: problemExample(code) });
  return getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Lethe',
      version,
      description:
        'Erases user accounts: ask for the erasure of an account, follow it, undo it. Times are ISO 8601 in UTC. Errors are problems of ' +
        'RFC 9457: decide by their `code`. Answers below `/v1` carry ' +
        '`RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset`. Clients should ignore fields that they do not know.',
      license: { name: 'MIT', url: 'https://opensource.org/license/mit' },
    },
    servers: [{ url: base === '' ? '/' : base, description: 'Where this document was found.' }],
    tags: [
      { name: 'erasures', description: 'What an application and its users do.' },
      { name: 'operations', description: 'What operators do, with a key of the scope `admin`.' },
      { name: 'partners', description: 'What other systems that erase do.' },
      { name: 'process', description: 'The process itself; open to everybody.' },
    ],
  });
}

/** `GET /openapi.json`. */
export function serveOpenapi(app: ApiApp, base: string): void {
  const text = JSON.stringify(createDocument(base));
  const tag = `"${createHash('sha256').update(text).digest('base64url').slice(0, 22)}"`;
  app.openapi(documentRoute, (c) => {
    c.header('Cache-Control', 'public, max-age=300');
    c.header('ETag', tag);
    if (c.req.header('If-None-Match')?.includes(tag)) return c.body(null, 304);
    return c.body(text, 200, { 'Content-Type': 'application/json' });
  });
}
