import type { Config } from '../config.ts';
import { createVerifyJwt } from './access/jwt.ts';
import { type Api, createApp } from './app.ts';
import { createViewers, type ViewerLimits, type Viewers } from './live/viewers.ts';
import { withoutBase } from './server/base-path.ts';
import { prepareClosing } from './server/closing.ts';
import { API_LIMITS, createBoundedServer } from './server/limits.ts';
import { listening } from './server/listening.ts';

export type { ViewerLimits, Viewers } from './live/viewers.ts';

/** A server that listens. */
export type Serving = {
  port: number;
  /** How many follow an erasure's events through this process. */
  viewers: Viewers;
  /**
   * Takes no more connections, ends the event streams and waits for the answers that have begun. Resolves with false
   * when `deadline` came first: the rest was cut off.
   */
  close: (deadline: Promise<unknown>) => Promise<boolean>;
};

/**
 * Serves the API, its pages and the dashboard on `PORT`. `limits`: those of the event streams. Throws a UsageError
 * where the port cannot be had.
 */
export async function serveApi(
  config: Config,
  parts: Pick<Api, 'ctx' | 'producers' | 'enqueue' | 'metrics'>,
  limits: Partial<ViewerLimits> = {},
): Promise<Serving> {
  const viewers = createViewers(parts.ctx, limits);
  const app = createApp({ ...parts, config, viewers, auth: { ...config, verifyJwt: createVerifyJwt(config) } });
  const server = createBoundedServer(app.fetch, {
    limits: API_LIMITS,
    hostname: config.HOST,
    trustedProxies: config.LETHE_TRUSTED_PROXIES,
    reach: withoutBase(config, app),
  });
  const end = prepareClosing(server);
  const port = await listening(server, { port: config.PORT, hostname: config.HOST }, 'PORT');
  const close = async (deadline: Promise<unknown>) => {
    const closed = end(deadline);
    await viewers.close();
    return closed;
  };
  return { port, viewers, close };
}
