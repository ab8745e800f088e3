import type { Config } from './config.ts';
import { type RevokeCall, revokeCall } from './erasure/revoke/revoke-call.ts';
import { statusUrl } from './http/access/status-link.ts';
import { type Inside, listenForMetrics } from './http/metrics.ts';
import { serveApi, type ViewerLimits, type Viewers } from './http/serve.ts';
import { createEnqueue } from './jobs/enqueue.ts';
import { startExporting } from './jobs/export-gauges.ts';
import { startPacing } from './jobs/pacing.ts';
import { startReconciling } from './jobs/reconcile.ts';
import { openWorkerConnection } from './jobs/redis/connection.ts';
import { checkRights, watchRights } from './jobs/redis/rights.ts';
import { createShowProgress } from './jobs/show-progress.ts';
import { startWorkers } from './jobs/worker.ts';
import { createLogger, type Logger } from './logger.ts';
import { outboxProvider } from './mail/outbox.ts';
import type { MailProvider } from './mail/provider.ts';
import { resendProvider } from './mail/resend.ts';
import { createMetrics } from './metrics.ts';
import { SliceSize } from './pace/slice-size.ts';
import { closeAll, openResources, type Resources } from './resources.ts';

/** Redis gets this long for what a request leaves behind, and a stop waits for it; after that reconcile delivers. */
const ENQUEUE_PATIENCE_MS = 1_000;

/** A started role. `stop` resolves when it has ended; false: the deadline passed first. */
export type Started = { port?: number; metricsPort?: number | undefined; stop: () => Promise<boolean> };

/** Starts the API and its dashboard. `limits` are those of the event streams; `viewers` says how many there are. */
export async function startApi(
  config: Config,
  limits: Partial<ViewerLimits> = {},
): Promise<Started & { viewers: Viewers }> {
  const log = createLogger(config.LOG_LEVEL, 'api');
  const { ctx, producers, closables, metrics } = await openMeasured(config, log, { max: 20, name: 'lethe-api' });
  const metricsPort = await showMetrics(config, { ctx, producers, metrics }, closables);
  const enqueue = createEnqueue(producers, log, ENQUEUE_PATIENCE_MS);
  closables.push({ name: 'queues', close: enqueue.settled });
  const parts = { ctx, producers, enqueue, metrics };
  const { port, viewers, close } = await serveApi(config, parts, limits).catch(async (error) => {
    await closeAll(closables, log);
    throw error;
  });
  log.info({ port }, 'listening');
  const stop = async () => {
    log.info('stopping');
    const clean = await close(after(config.LETHE_SHUTDOWN_TIMEOUT));
    await closeAll(closables, log);
    log.info({ clean }, 'stopped');
    return clean;
  };
  return { port, metricsPort, stop, viewers };
}

/** Starts a worker. Any number may run at once. */
export async function startWorker(config: Config): Promise<Started> {
  const log = createLogger(config.LOG_LEVEL, 'worker');
  const pool = { max: config.LETHE_CONCURRENCY + 6, name: 'lethe-worker' };
  const { ctx, producers, closables, metrics } = await openMeasured(config, log, pool);
  const inside = { ctx, producers, metrics, working: () => false };
  const metricsPort = await showMetrics(config, inside, closables);
  const mail = { db: ctx.db, log, provider: mailProvider(config), statusUrl: statusUrl(config) };
  const showProgress = createShowProgress(ctx, producers);
  const revoke = revokeOf(config);
  const { put } = createEnqueue(producers, log);
  const work = { ctx, mail, put, revoke, sliceSize: new SliceSize(ctx.settings.sliceMs), showProgress, metrics };
  const redis = { url: config.REDIS_URL, prefix: config.LETHE_REDIS_PREFIX };
  const connection = openWorkerConnection(redis, log);
  closables.push({ name: 'worker redis', close: async () => connection.disconnect() });
  const concurrency = config.LETHE_CONCURRENCY;
  const workers = startWorkers(work, connection, { prefix: redis.prefix, concurrency });
  inside.working = workers.working;
  const pacing = startPacing({ ctx, producers });
  closables.push({ name: 'pace', close: pacing.stop });
  const reconciling = startReconciling(
    { ctx, put, producers },
    {
      intervalMs: config.LETHE_RECONCILE_INTERVAL,
      onRound: () => metrics.reconciledAt.setToCurrentTime(),
    },
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
  return { metricsPort, stop };
}

/** Resources whose verbs count what they delete. */
async function openMeasured(config: Config, log: Logger, pool: { max: number; name: string }) {
  const metrics = createMetrics({ defaults: config.LETHE_METRICS_PORT !== undefined });
  const opened = await openResources(config, log, pool);
  const { producers, closables } = opened;
  try {
    await checkRights(producers, log);
  } catch (error) {
    await closeAll(closables, log);
    throw error;
  }
  const watching = watchRights(producers, log);
  closables.push({ name: 'rights', close: async () => watching.stop() });
  return { ...opened, ctx: { ...opened.ctx, onDeleted: metrics.countRows }, metrics };
}

/** Opens the second port and takes part in exporting the cluster's gauges; nothing where the port is not set. */
async function showMetrics(
  config: Config,
  inside: Inside & Pick<Resources, 'ctx' | 'producers'>,
  closables: Resources['closables'],
): Promise<number | undefined> {
  if (config.LETHE_METRICS_PORT === undefined) return undefined;
  const { ctx, producers, metrics } = inside;
  try {
    const listening = await listenForMetrics(inside, { port: config.LETHE_METRICS_PORT, hostname: config.HOST });
    closables.push({ name: 'metrics', close: listening.close });
    const exporting = startExporting({ ctx, producers, metrics });
    closables.push({ name: 'gauges', close: exporting.stop });
    ctx.log.info({ metricsPort: listening.port }, 'metrics listening');
    return listening.port;
  } catch (error) {
    await closeAll(closables, ctx.log);
    throw error;
  }
}

function revokeOf(config: Config): RevokeCall | undefined {
  if (!config.LETHE_SIGN_OUT_URL) return undefined;
  return revokeCall({
    url: config.LETHE_SIGN_OUT_URL,
    secret: config.LETHE_SIGN_OUT_SECRET as string,
    issuer: config.LETHE_PUBLIC_URL,
  });
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
