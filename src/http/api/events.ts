import type { HttpBindings } from '@hono/node-server';
import { OpenAPIHono } from '@hono/zod-openapi';
import { authorize } from '../access/authorize.ts';
import type { Api } from '../api.ts';
import { END_ID } from '../live/reading.ts';
import { withDeadline } from '../server/deadline.ts';
import { refuseInvalid } from '../server/problem.ts';
import { eventsRoute } from './events-route.ts';

const DEADLINE_MS = 1_800;

/** A stream ends with its connection, and no proxy holds it back. */
const HEADERS = {
  'Content-Type': 'text/event-stream',
  'Cache-Control': 'no-store',
  'X-Accel-Buffering': 'no',
  Connection: 'close',
};

/** `GET /v1/erasures/{id}/events`: the erasure's progress as server-sent events. */
export function eventRoutes(api: Api): OpenAPIHono<{ Bindings: Partial<HttpBindings> }> {
  const { viewers } = api;
  const app = new OpenAPIHono<{ Bindings: Partial<HttpBindings> }>({ defaultHook: refuseInvalid });

  app.openapi(eventsRoute, async (c) => {
    const { id, first, admin, by, expires } = await withDeadline(
      DEADLINE_MS,
      (async () => {
        const { erasure, admin, by, expires } = await authorize(c, api, {
          scopes: ['erasures:read'],
          account: true,
          token: true,
          recent: false,
        });
        return { id: erasure.id, first: await viewers.look(erasure.id), admin, by, expires };
      })(),
    );
    // Who has seen the end and comes back: 204 is the answer after which an EventSource stays away.
    if (first.final && c.req.header('Last-Event-ID') === END_ID)
      return c.body(null, 204, { 'Cache-Control': 'no-store' });
    const { chunk } = first.since(undefined, admin);
    if (first.final) return c.body(chunk, 200, HEADERS);
    // Opened after the deadline was kept: a late one would have no reader.
    const stream = viewers.open(id, first, { admin, by, expires, connection: c.env.outgoing });
    return c.body(stream ?? chunk, 200, HEADERS);
  });

  return app;
}
