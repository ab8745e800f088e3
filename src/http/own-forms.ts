import type { MiddlewareHandler } from 'hono';
import { csrf } from 'hono/csrf';
import type { Config } from '../config.ts';

/**
 * Refuses forms that other sites send: 403. The origin of LETHE_PUBLIC_URL counts as ours beside the request's own,
 * which behind a proxy with TLS is another: browsers that send no Sec-Fetch-Site would be refused.
 */
export function ownForms(config: Pick<Config, 'LETHE_PUBLIC_URL'>): MiddlewareHandler {
  const ours = new URL(config.LETHE_PUBLIC_URL).origin;
  return csrf({ origin: (origin, c) => origin === ours || origin === new URL(c.req.url).origin });
}
