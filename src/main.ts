import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serve } from '@hono/node-server';
import type { Config } from './config.ts';
import { SliceSize } from './erasure/slice-size.ts';
import { statusUrl } from './http/api.ts';
import { createApp } from './http/app.ts';
import { openWorkerConnection } from './jobs/connection.ts';
import { createEnqueue } from './jobs/enqueue.ts';
import { startReconciling } from './jobs/schedule.ts';
import { createShowProgress } from './jobs/show-progress.ts';
import { startWorkers } from './jobs/worker.ts';
import { createLogger } from './logger.ts';
import { outboxProvider } from './mail/outbox.ts';
import type { MailProvider } from './mail/provider.ts';
import { resendProvider } from './mail/resend.ts';
import { closeAll, openResources } from './resources.ts';

/** Redis gets this long inside a request; after that reconcile delivers. */
const ENQUEUE_PATIENCE_MS = 300;

/** A started role. `stop` resolves when it has ended; false: the deadline passed first. */
export type Started = { port?: number; stop: () => Promise<boolean> };

/** Starts the API and its dashboard. */
export async function startApi(config: Config): Promise<Started> {
  const log = createLogger(config.LOG_LEVEL, 'api');
  const { ctx, producers, closables } = await openResources(config, log, { max: 20, name: 'lethe-api' });
  const enqueue = createEnqueue(producers, ctx.db, log, ENQUEUE_PATIENCE_MS);
  const app = createApp({ ctx, config, auth: config, producers, enqueue, statusUrl: statusUrl(config) });
  const server = serve({
    fetch: app.fetch,
    port: config.PORT,
    hostname: config.HOST,
    serverOptions: { requestTimeout: 15_000, headersTimeout: 10_000, keepAliveTimeout: 65_000 },
  }) as Server;
  const failed = once(server, 'error').then(([error]) => Promise.reject(error));
  await Promise.race([once(server, 'listening'), failed]);
  const { port } = server.address() as AddressInfo;
  log.info({ port }, 'listening');
  const stop = async () => {
    log.info('stopping');
    const closed = once(server, 'close').then(() => true);
    server.close();
    server.closeIdleConnections();
    const clean = await Promise.race([closed, after(config.LETHE_SHUTDOWN_TIMEOUT)]);
    server.closeAllConnections();
    await closeAll(closables, log);
    log.info({ clean }, 'stopped');
    return clean;
  };
  return { port, stop };
}

/** Starts a worker. Any number may run at once. */
export async function startWorker(config: Config): Promise<Started> {
  const log = createLogger(config.LOG_LEVEL, 'worker');
  const pool = { max: config.LETHE_CONCURRENCY + 6, name: 'lethe-worker' };
  const { ctx, producers, closables } = await openResources(config, log, pool);
  const enqueue = createEnqueue(producers, ctx.db, log);
  const mail = { db: ctx.db, log, provider: mailProvider(config), statusUrl: statusUrl(config) };
  const showProgress = createShowProgress(ctx, producers);
  const work = { ctx, mail, enqueue, sliceSize: new SliceSize(ctx.settings.sliceMs), showProgress };
  const redis = { url: config.REDIS_URL, prefix: config.LETHE_REDIS_PREFIX };
  const connection = openWorkerConnection(redis, log);
  closables.push({ name: 'worker redis', close: async () => connection.disconnect() });
  const concurrency = config.LETHE_CONCURRENCY;
  const workers = startWorkers(work, connection, { prefix: redis.prefix, concurrency });
  const reconciling = startReconciling(
    { ctx, enqueue, producers },
    { intervalMs: config.LETHE_RECONCILE_INTERVAL, globalConcurrency: config.LETHE_GLOBAL_CONCURRENCY },
  );
  log.info(
    { catalog: ctx.catalog.digest, locations: ctx.catalog.locations.map((l) => l.name), concurrency },
    'working',
  );
  const stop = async () => {
    log.info('stopping: running slices are finished, their chunks handed back');
    reconciling.stop();
    const clean = await workers.stop(config.LETHE_SHUTDOWN_TIMEOUT);
    await closeAll(closables, log);
    log.info({ clean }, 'stopped');
    return clean;
  };
  return { stop };
}

function mailProvider(config: Config): MailProvider {
  if (config.LETHE_MAIL === 'outbox') return outboxProvider(config.LETHE_MAIL_OUTBOX);
  return resendProvider({
    apiKey: config.RESEND_API_KEY as string,
    baseUrl: config.RESEND_BASE_URL,
    from: config.LETHE_MAIL_FROM as string,
  });
}

const after = (ms: number) => new Promise<false>((resolve) => setTimeout(() => resolve(false), ms).unref());
