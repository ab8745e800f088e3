import { OpenAPIHono } from '@hono/zod-openapi';
import { basePath } from '../server/base-path.ts';
import { refuseInvalid } from '../server/problem.ts';
import { serveAcknowledgeTask } from './acknowledge-task.ts';
import { serveAsyncapi } from './asyncapi.ts';
import { serveCancelErasure } from './cancel-erasure.ts';
import { serveFollowErasure } from './follow-erasure.ts';
import { serveHealth } from './health.ts';
import { serveHoldErasure } from './hold-erasure.ts';
import { knownErasures } from './known-erasure.ts';
import { serveListErasures } from './list-erasures.ts';
import { serveOpenapi } from './openapi.ts';
import type { ApiApp, Parts } from './parts.ts';
import { serveReleaseErasure } from './release-erasure.ts';
import { serveReplayErasure } from './replay-erasure.ts';
import { serveReplayMany } from './replay-many.ts';
import { serveRequestErasure } from './request-erasure.ts';
import { serveRequestPartnerErasure } from './request-partner-erasure.ts';
import { serveShowErasure } from './show-erasure.ts';
import { serveStartErasure } from './start-erasure.ts';

/** Every route of the API. */
export function apiRoutes(parts: Parts): ApiApp {
  const app: ApiApp = new OpenAPIHono({ defaultHook: refuseInvalid });
  const known = knownErasures(parts);
  serveHealth(app, parts);
  serveOpenapi(app, basePath(parts.config));
  serveAsyncapi(app);
  serveRequestErasure(app, parts);
  serveListErasures(app, parts);
  serveShowErasure(app, parts, known);
  serveCancelErasure(app, parts, known);
  serveFollowErasure(app, parts);
  serveStartErasure(app, parts, known);
  serveReplayErasure(app, parts, known);
  serveReplayMany(app, parts);
  serveHoldErasure(app, parts, known);
  serveReleaseErasure(app, parts, known);
  serveAcknowledgeTask(app, parts);
  serveRequestPartnerErasure(app, parts);
  return app;
}
