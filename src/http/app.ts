import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { requestId } from 'hono/request-id';
import { secureHeaders } from 'hono/secure-headers';
import { LetheError, stackOf } from '../errors.ts';
import type { Api } from './api.ts';
import { boardRoutes } from './board.ts';
import { loginRoutes } from './login.ts';
import { problem, toLetheError } from './problem.ts';
import { accountRoutes } from './routes/accounts.ts';
import { erasureRoutes } from './routes/erasures.ts';
import { healthRoutes } from './routes/health.ts';

const BODY_LIMIT = 16 * 1024;
/** The dashboard talks to this server only: its page would fetch fonts from a third party. */
const ADMIN_POLICY = {
  defaultSrc: ["'self'"],
  scriptSrc: ["'self'", "'unsafe-inline'"],
  styleSrc: ["'self'", "'unsafe-inline'"],
  imgSrc: ["'self'", 'data:'],
  frameAncestors: ["'none'"],
  formAction: ["'self'"],
};

/** The HTTP application. Composes only: every route has its own file. */
export function createApp(api: Api): Hono {
  const app = new Hono();
  app.use(requestId({ limitLength: 64 }));
  app.use(secureHeaders({ referrerPolicy: 'no-referrer', xFrameOptions: 'DENY' }));
  app.use('/admin/*', secureHeaders({ contentSecurityPolicy: ADMIN_POLICY }));
  app.use(async (c, next) => {
    const started = performance.now();
    await next();
    // The route, not the path: paths hold account ids, queries hold tokens.
    const line = {
      requestId: c.get('requestId'),
      method: c.req.method,
      route: c.req.routePath,
      status: c.res.status,
      ms: Math.round(performance.now() - started),
    };
    if (c.res.status >= 500) api.ctx.log.warn(line, 'request');
    else api.ctx.log.debug(line, 'request');
  });
  app.use(
    bodyLimit({
      maxSize: BODY_LIMIT,
      onError: () => {
        throw new LetheError('payload_too_large', `the body may have ${BODY_LIMIT} bytes`);
      },
    }),
  );
  app.route('/', healthRoutes(api));
  app.route('/v1/accounts', accountRoutes(api));
  app.route('/v1/erasures', erasureRoutes(api));
  app.route('/admin', loginRoutes(api.config));
  app.route('/admin/queues', boardRoutes(api));

  app.notFound((c) => problem(c, new LetheError('not_found', 'there is no such resource')));
  app.onError((error, c) => {
    const clean = toLetheError(error);
    if (clean.code === 'internal_error' || clean.code === 'database_error') {
      api.ctx.log.error(
        { requestId: c.get('requestId'), code: clean.code, detail: clean.detail, stack: stackOf(error) },
        'request failed',
      );
    }
    return problem(c, clean);
  });
  return app;
}
