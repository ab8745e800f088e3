import type { Hono } from 'hono';
import type { Config } from '../../config.ts';

type Public = Pick<Config, 'LETHE_PUBLIC_URL'>;

/** `LETHE_PUBLIC_URL` without a slash at its end: what is appended begins with one. */
export const publicUrl = (config: Public): string => config.LETHE_PUBLIC_URL.replace(/\/+$/, '');

/** Path of `LETHE_PUBLIC_URL`, without a slash at its end: a proxy may serve Lethe below a folder. */
export const basePath = (config: Public): string => new URL(config.LETHE_PUBLIC_URL).pathname.replace(/\/+$/, '');

/**
 * Gives what the application sees of a request's target. A proxy may take the folder off, or pass it through. Here it
 * is taken off only where one of the application's own paths follows, so a folder may be called `/v1`, too.
 */
export function withoutBase(config: Public, app: Hono): (target: string) => string {
  const base = basePath(config);
  if (base === '') return (target) => target;
  const own = new Set(app.routes.map(({ path }) => path.split('/')[1]).filter((name) => name && !/[*:]/.test(name)));
  return (target) => {
    if (!target.startsWith(`${base}/`)) return target;
    const rest = target.slice(base.length);
    return own.has(/^\/([^/?#]*)/.exec(rest)?.[1]) ? rest : target;
  };
}
