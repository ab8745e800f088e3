import { readFileSync } from 'node:fs';
import { createRoute, z } from '@hono/zod-openapi';
import { LOOK, lookedSchema, lookSchema, PLANT, plantedSchema, plantSchema } from '../../partners/canary.ts';
import { acknowledgementSchema, messageSchema } from '../../partners/message.ts';
import { rateLimited, tooLargeHeaders } from './contract.ts';
import type { ApiApp } from './parts.ts';

const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

export const asyncapiRoute = createRoute({
  method: 'get',
  path: '/asyncapi.json',
  operationId: 'getAsyncApi',
  tags: ['process'],
  summary: 'What is published to partners',
  description: 'AsyncAPI 3.0, generated from what builds the messages.',
  security: [],
  responses: {
    200: {
      description: 'The document.',
      headers: { 'Cache-Control': { description: 'For five minutes.', schema: { type: 'string' } } },
      content: { 'application/json': { schema: z.looseObject({ asyncapi: z.string() }) } },
    },
    ...rateLimited,
    ...tooLargeHeaders,
  },
});

const schemaOf = (schema: z.ZodType) => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { target: 'draft-7', io: 'input' });
  return rest;
};

const MESSAGE = {
  name: 'lethe.erasure.requested',
  title: 'Erase an account',
  summary: 'Asks one partner to erase what it holds of one account.',
  contentType: 'application/cloudevents+json',
  headers: {
    type: 'object',
    required: ['partner'],
    properties: {
      partner: { type: 'string', description: 'For whom it is, as the catalog calls it. Pass over those of others.' },
      'webhook-id': { type: 'string', description: 'Where events are signed: the id again (Standard Webhooks).' },
      'webhook-timestamp': { type: 'string', description: 'Where events are signed: seconds, when it was published.' },
      'webhook-signature': { type: 'string', description: 'Where events are signed: over `id.timestamp.event`.' },
    },
  },
  payload: { $ref: '#/components/schemas/Message' },
} as const;

const aboutTestData = (name: string, title: string, summary: string, schema: string) => ({
  name,
  title,
  summary,
  contentType: 'application/cloudevents+json',
  payload: { $ref: `#/components/schemas/${schema}` },
});

/** What is published on the bus, and what is posted about test data, as an AsyncAPI 3.0 document. */
export function createAsyncDocument() {
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Lethe',
      version,
      description:
        'Events for partners that read from a bus. An event that is not acknowledged in time comes again with the same id. ' +
        'Acknowledge with `POST data.acknowledge.url` and the bearer token `data.acknowledge.token`: see `/openapi.json`.',
      license: { name: 'MIT', url: 'https://opensource.org/license/mit' },
    },
    defaultContentType: 'application/json',
    channels: {
      stream: {
        address: '{lethe}:events',
        title: 'Redis Streams',
        description:
          'The stream that all partners share, unless the catalog names another: each partner reads as a consumer group of its own. ' +
          'Beside the headers, the field `id` has the id, and `event` has the message as JSON.',
        messages: { erasureRequested: { $ref: '#/components/messages/ErasureRequested' } },
      },
      queue: {
        address: 'lethe.{partner}',
        title: 'AMQP 0.9.1',
        description: 'The queue of one partner, unless the catalog names another. `message_id` is the id.',
        parameters: { partner: { description: 'The name of the partner in the catalog.' } },
        messages: { erasureRequested: { $ref: '#/components/messages/ErasureRequested' } },
      },
      canary: {
        address: '{canary}',
        title: 'HTTP, for test data',
        description:
          'What the catalog names under `http.canary`. Both are signed as the message of an erasure is, and answered with 200: ' +
          'see the schemas Planted and Looked.',
        parameters: { canary: { description: 'The address, with its path.' } },
        messages: {
          plant: { $ref: '#/components/messages/Plant' },
          look: { $ref: '#/components/messages/Look' },
        },
      },
    },
    operations: {
      ...Object.fromEntries(
        ['stream', 'queue'].map((channel) => [
          `publishTo${channel === 'stream' ? 'Stream' : 'Queue'}`,
          {
            action: 'send',
            summary: 'Publishes an event, until it is acknowledged.',
            channel: { $ref: `#/channels/${channel}` },
            messages: [{ $ref: `#/channels/${channel}/messages/erasureRequested` }],
          },
        ]),
      ),
      postToCanary: {
        action: 'send',
        summary: 'Has test data planted, and looks for it after its erasure.',
        channel: { $ref: '#/channels/canary' },
        messages: [{ $ref: '#/channels/canary/messages/plant' }, { $ref: '#/channels/canary/messages/look' }],
      },
    },
    components: {
      messages: {
        ErasureRequested: MESSAGE,
        Plant: aboutTestData(PLANT, 'Plant test data', 'Has a partner store something of a test account.', 'Plant'),
        Look: aboutTestData(LOOK, 'Look for test data', 'Asks whether anything of it is there.', 'Look'),
      },
      schemas: {
        Message: schemaOf(messageSchema),
        Acknowledgement: schemaOf(acknowledgementSchema),
        Plant: schemaOf(plantSchema),
        Planted: schemaOf(plantedSchema),
        Look: schemaOf(lookSchema),
        Looked: schemaOf(lookedSchema),
      },
    },
  };
}

/** `GET /asyncapi.json`. */
export function serveAsyncapi(app: ApiApp): void {
  const text = JSON.stringify(createAsyncDocument());
  app.openapi(asyncapiRoute, (c) => {
    c.header('Cache-Control', 'public, max-age=300');
    return c.body(text, 200, { 'Content-Type': 'application/json' }) as never;
  });
}
