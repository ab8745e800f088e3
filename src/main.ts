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

/** Runs the API until it is told to stop. */
export async function runApi(config: Config): Promise<void> {
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
  await Promise.race([once(server, 'listening'), once(server, 'error').then(([error]) => Promise.reject(error))]);
  log.info({ port: (server.address() as AddressInfo).port }, 'listening');
  await stopSignal();
  log.info('stopping');
  const closed = once(server, 'close');
  server.close();
  server.closeIdleConnections();
  await Promise.race([closed, after(config.LETHE_SHUTDOWN_TIMEOUT)]);
  server.closeAllConnections();
  await closeAll(closables, log);
  log.info('stopped');
}

/** Runs a worker until it is told to stop. Any number may run at once. */
export async function runWorker(config: Config): Promise<void> {
  const log = createLogger(config.LOG_LEVEL, 'worker');
  const { ctx, producers, closables } = await openResources(config, log, {
    max: config.LETHE_CONCURRENCY + 6,
    name: 'lethe-worker',
  });
  const enqueue = createEnqueue(producers, ctx.db, log);
  const mail = { db: ctx.db, log, provider: mailProvider(config), statusUrl: statusUrl(config) };
  const work = {
    ctx,
    mail,
    enqueue,
    sliceSize: new SliceSize(ctx.settings.sliceMs),
    showProgress: createShowProgress(ctx, producers),
  };
  const redis = { url: config.REDIS_URL, prefix: config.LETHE_REDIS_PREFIX };
  const connection = openWorkerConnection(redis, log);
  closables.push({ name: 'worker redis', close: async () => connection.disconnect() });
  const workers = startWorkers(work, connection, { prefix: redis.prefix, concurrency: config.LETHE_CONCURRENCY });
  const reconciling = startReconciling(
    { ctx, enqueue, producers },
    { intervalMs: config.LETHE_RECONCILE_INTERVAL, globalConcurrency: config.LETHE_GLOBAL_CONCURRENCY },
  );
  log.info(
    {
      catalog: ctx.catalog.digest,
      locations: ctx.catalog.locations.map((l) => l.name),
      concurrency: config.LETHE_CONCURRENCY,
    },
    'working',
  );
  await stopSignal();
  log.info('stopping: running slices are finished, their chunks handed back');
  reconciling.stop();
  const clean = await workers.stop(config.LETHE_SHUTDOWN_TIMEOUT);
  await closeAll(closables, log);
  log.info({ clean }, 'stopped');
}

function mailProvider(config: Config): MailProvider {
  if (config.LETHE_MAIL === 'outbox') return outboxProvider(config.LETHE_MAIL_OUTBOX);
  return resendProvider({
    apiKey: config.RESEND_API_KEY as string,
    baseUrl: config.RESEND_BASE_URL,
    from: config.LETHE_MAIL_FROM as string,
  });
}

const after = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms).unref());

/** Resolves at the first SIGTERM or SIGINT; a second one ends the process at once. */
function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => {
        process.once(signal, () => process.exit(1));
        resolve(signal);
      });
    }
  });
}
