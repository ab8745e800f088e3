import { Hono, type HonoRequest } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { createMiddleware } from 'hono/factory';
import { requestId } from 'hono/request-id';
import { secureHeaders } from 'hono/secure-headers';
import type { Config } from '../config.ts';
import type { Context } from '../erasure/model/context.ts';
import { ERRORS, LetheError, stackOf } from '../errors.ts';
import type { Enqueue } from '../jobs/enqueue.ts';
import type { Producers } from '../jobs/redis/producers.ts';
import type { Metrics } from '../metrics.ts';
import type { AuthConfig } from './access/auth.ts';
import { allowOrigins } from './access/cors.ts';
import { checkPartnerSecret, PARTNER_PATH } from './access/partner-signature.ts';
import { createLimiter, limitPage, rateLimit } from './access/rate-limit.ts';
import { apiRoutes } from './api/routes.ts';
import { createAssets } from './assets/assets.ts';
import type { Viewers } from './live/viewers.ts';
import { problem, toLetheError } from './server/problem.ts';
import { loginRoutes } from './sign-in/login.ts';
import { STATUS_POLICY, statusPages } from './status/routes.ts';
import { SUPPORT_POLICY } from './support/behind-login.ts';
import { boardRoutes } from './support/board.ts';
import { supportRoutes } from './support/routes.ts';
import { ownersRoutes, testDataRoutes } from './support/watch/routes.ts';

/** What the application works with. Each room takes its part of it. */
export type Api = {
  ctx: Context;
  config: Config;
  auth: AuthConfig;
  producers: Producers;
  enqueue: Enqueue;
  metrics: Pick<Metrics, 'observeRequest'>;
  viewers: Viewers;
};

const BODY_LIMIT = 16 * 1024;
/** The dashboard may talk to this server only. Without this its page would fetch fonts from a third party. */
const ADMIN_POLICY = {
  defaultSrc: ["'self'"],
  scriptSrc: ["'self'", "'unsafe-inline'"],
  styleSrc: ["'self'", "'unsafe-inline'"],
  imgSrc: ["'self'", 'data:'],
  frameAncestors: ["'none'"],
  formAction: ["'self'"],
  // Not 'none': the dashboard finds its files by its own <base>.
  baseUri: ["'self'"],
};

/** With `no-referrer` browsers send `Origin: null` with a form. Over plain http they send no Sec-Fetch-Site either: we would refuse it. */
const ADMIN_HEADERS = { referrerPolicy: 'same-origin', xFrameOptions: 'DENY' };

/**
 * Security headers without Strict-Transport-Security. The proxy ends TLS, so it decides whether https is a must.
 * Hono's default would bind every subdomain of the application for months.
 */
const secured = (options: NonNullable<Parameters<typeof secureHeaders>[0]>) =>
  secureHeaders({ strictTransportSecurity: false, ...options });

/** Browsers keep no copy of what is behind the sign-in: it must be gone after signing out. The board's own files tell nothing. */
const keepNoCopy = createMiddleware(async (c, next) => {
  await next();
  if (!c.req.path.startsWith('/admin/queues/static/')) c.header('Cache-Control', 'no-store');
});

/** True when there is no body, or its size is announced and within the limit. */
const isShort = (request: HonoRequest): boolean =>
  request.header('Transfer-Encoding') === undefined && Number(request.header('Content-Length') ?? 0) <= BODY_LIMIT;

/** The HTTP application. Composes only: every route has its own file. */
export function createApp(api: Api): Hono {
  checkPartnerSecret(api.config);
  const app = new Hono();
  const assets = createAssets(api.config);
  const pages = statusPages(api, assets);
  app.use(requestId({ limitLength: 64 }));
  // The middleware that is added first has the last word on a header.
  for (const path of ['/admin/erasures/*', '/admin/owners/*', '/admin/test-data/*', '/admin/login'])
    app.use(path, secured({ ...ADMIN_HEADERS, contentSecurityPolicy: SUPPORT_POLICY }));
  app.use('/admin/*', secured({ ...ADMIN_HEADERS, contentSecurityPolicy: ADMIN_POLICY }), keepNoCopy);
  app.use(secured({ referrerPolicy: 'no-referrer', xFrameOptions: 'DENY' }));
  app.use('/status/*', secured({ contentSecurityPolicy: STATUS_POLICY }), pages.inWords);
  app.use(async (c, next) => {
    const started = performance.now();
    await next();
    // The route is logged, not the path: paths contain account ids, queries contain tokens.
    const line = {
      requestId: c.get('requestId'),
      method: c.req.method,
      route: c.req.routePath,
      status: c.res.status,
      ms: Math.round(performance.now() - started),
    };
    api.metrics.observeRequest(line.method, line.route, line.status, line.ms);
    if (c.res.status >= 500) api.ctx.log.warn(line, 'request');
    else api.ctx.log.debug(line, 'request');
  });
  const origins = allowOrigins(api.config.LETHE_CORS_ORIGINS);
  for (const path of ['/v1/*', '/openapi.json', '/asyncapi.json']) app.use(path, origins);
  const limited = bodyLimit({
    maxSize: BODY_LIMIT,
    onError: () => {
      throw new LetheError('payload_too_large', `the body may have ${BODY_LIMIT} bytes`);
    },
  });
  // The limits below read this one's body: its signature says who sends it.
  app.use(PARTNER_PATH, limited);
  if (api.config.LETHE_RATE_LIMIT > 0) {
    const limiter = createLimiter(api);
    const counted = rateLimit(api, limiter);
    for (const path of ['/v1/*', '/status/*']) app.use(path, counted);
    const page = limitPage(api, limiter);
    for (const path of ['/openapi.json', '/asyncapi.json', '/admin/login']) app.use(path, page);
  }
  // Looking for a body costs as much as the rest of a short answer, so it is left out where it is no use. No route
  // reads the body of a GET, and the server reads no more than what is announced.
  app.use((c, next) =>
    c.req.method === 'GET' || c.req.method === 'HEAD' || isShort(c.req) ? next() : limited(c, next),
  );
  app.route('/', apiRoutes(api));
  app.get('/admin', (c) => c.redirect(assets.href('/admin/erasures'), 303));
  app.route('/admin/erasures', supportRoutes(api, assets));
  app.route('/admin/owners', ownersRoutes(api, assets));
  app.route('/admin/test-data', testDataRoutes(api, assets));
  app.route('/admin', loginRoutes(api, assets));
  app.route('/admin/queues', boardRoutes(api, assets));
  app.route('/assets', assets.routes);
  app.route('/status', pages.routes);

  app.notFound((c) => problem(c, new LetheError('not_found', 'there is no such resource')));
  app.onError((error, c) => {
    const clean = toLetheError(error);
    if (ERRORS[clean.code].status === 500) {
      api.ctx.log.error(
        { requestId: c.get('requestId'), code: clean.code, detail: clean.detail, stack: stackOf(error) },
        'request failed',
      );
    }
    return problem(c, clean);
  });
  return app;
}
