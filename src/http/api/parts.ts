import type { HttpBindings } from '@hono/node-server';
import type { OpenAPIHono } from '@hono/zod-openapi';
import type { Config } from '../../config.ts';
import type { Context } from '../../erasure/model/context.ts';
import type { Enqueue } from '../../jobs/enqueue.ts';
import type { Producers } from '../../jobs/redis/producers.ts';
import type { AuthConfig } from '../access/auth.ts';
import type { Viewers } from '../live/viewers.ts';

/** `outgoing`: the connection of the answer, where there is a real one. */
export type ApiEnv = { Bindings: Partial<HttpBindings> };
/** The application that the routes are added to. */
export type ApiApp = OpenAPIHono<ApiEnv>;

/** What the routes of the API work with. */
export type Parts = {
  ctx: Context;
  config: Pick<Config, 'LETHE_PUBLIC_URL' | 'LETHE_SECRET' | 'LETHE_PRIVATE_HOSTS'>;
  auth: AuthConfig;
  enqueue: Enqueue;
  producers: Pick<Producers, 'refused'>;
  viewers: Viewers;
};
