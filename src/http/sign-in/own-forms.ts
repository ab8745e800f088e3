import type { MiddlewareHandler } from 'hono';
import type { Config } from '../../config.ts';
import { LetheError } from '../../errors.ts';

const READING = ['GET', 'HEAD', 'OPTIONS'];

/**
 * Refuses what other sites send, whatever its Content-Type: 403. A browser says where a request comes from, by
 * Sec-Fetch-Site or by Origin; what says neither is refused too. The origin of LETHE_PUBLIC_URL counts as ours beside
 * the request's own, which behind a proxy with TLS is another: browsers that send no Sec-Fetch-Site would be refused.
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
