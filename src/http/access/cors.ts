import type { MiddlewareHandler } from 'hono';
import { cors } from 'hono/cors';

const PREFLIGHT_SECONDS = 600;

/**
 * Lets front ends of exactly these origins call and read the answers, errors included. Credentials are not allowed:
 * what a browser adds by itself opens nothing here. Other origins get no such header at all.
 */
export function allowOrigins(origins: readonly string[]): MiddlewareHandler {
  const allowed = cors({
    origin: [...origins],
    allowMethods: ['GET', 'POST', 'DELETE'],
    allowHeaders: ['Authorization', 'Content-Type', 'Idempotency-Key', 'Last-Event-ID'],
    exposeHeaders: ['Location', 'Retry-After', 'Link', 'RateLimit-Limit', 'RateLimit-Remaining', 'RateLimit-Reset'],
    maxAge: PREFLIGHT_SECONDS,
  });
  return async (c, next) => {
    if (origins.includes(c.req.header('Origin') ?? '')) return allowed(c, next);
    await next();
    // A cache must not hand this answer, which lacks the headers, to an origin that is listed.
    if (origins.length > 0) c.header('Vary', 'Origin', { append: true });
  };
}
