import type { Config } from '../config.ts';
import type { Context } from '../erasure/model/context.ts';
import type { Enqueue } from '../jobs/enqueue.ts';
import type { Producers } from '../jobs/redis/producers.ts';
import type { Metrics } from '../metrics.ts';
import { deriveToken } from '../tokens.ts';
import type { AuthConfig } from './access/auth.ts';
import type { Viewers } from './live/viewers.ts';
import { publicUrl } from './server/base-path.ts';

/** What the routes need. */
export type Api = {
  ctx: Context;
  config: Config;
  auth: AuthConfig;
  producers: Producers;
  enqueue: Enqueue;
  metrics: Metrics;
  viewers: Viewers;
  /** A page for the user that opens exactly this erasure, also after sign-out. */
  statusUrl: (erasureId: string) => string;
};

/** `LETHE_PUBLIC_URL` and the erasure's token. */
export const statusUrl = (config: Pick<Config, 'LETHE_PUBLIC_URL' | 'LETHE_SECRET'>) => (erasureId: string) =>
  `${publicUrl(config)}/status/${erasureId}?token=${deriveToken(config.LETHE_SECRET, 'status', erasureId)}`;
