import type { MiddlewareHandler } from 'hono';
import type { Config } from '../../config.ts';
import { LetheError } from '../../errors.ts';

const READING = ['GET', 'HEAD', 'OPTIONS'];

/**
 * Refuses with 403 what other sites send, whatever its Content-Type. A browser says where a request comes from, by
 * Sec-Fetch-Site or by Origin; a request with neither is refused too. The origin of LETHE_PUBLIC_URL counts as ours, like
 * the request's own. Behind a proxy with TLS the two differ, and not every browser sends Sec-Fetch-Site.
 */
export function ownForms(config: Pick<Config, 'LETHE_PUBLIC_URL'>): MiddlewareHandler {
  const ours = new URL(config.LETHE_PUBLIC_URL).origin;
  return async (c, next) => {
    const origin = c.req.header('Origin');
    const own =
      c.req.header('Sec-Fetch-Site') === 'same-origin' || origin === ours || origin === new URL(c.req.url).origin;
    if (!own && !READING.includes(c.req.method))
      throw new LetheError('forbidden', 'this request comes from another site');
    await next();
  };
}
