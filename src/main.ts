import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { type CanarySettings, canaryProblem, openCanary } from './canary/open.ts';
import type { Config } from './config.ts';
import { destinationProblems, openDestination } from './dataset/open.ts';
import { startPump } from './erasure/calls/pump.ts';
import { findUnaskable, Senders } from './erasure/calls/senders.ts';
import type { Context } from './erasure/model/context.ts';
import { type RevokeCall, revokeCall } from './erasure/revoke/revoke-call.ts';
import { findUntellable } from './erasure/watch/problems.ts';
import { openTeller } from './erasure/watch/teller.ts';
import { UsageError } from './errors.ts';
import { statusUrl } from './http/access/status-link.ts';
import { serveApi, type ViewerLimits, type Viewers } from './http/serve.ts';
import { createEnqueue } from './jobs/enqueue.ts';
import { windowOrder } from './jobs/list/erasure-advance.ts';
import { startPacing } from './jobs/pacing.ts';
import { startReconciling } from './jobs/reconcile.ts';
import { openWorkerConnection } from './jobs/redis/connection.ts';
import { createShowProgress } from './jobs/show-progress.ts';
import { startWatchingCanary } from './jobs/watch-canary.ts';
import { startWatchingOwners } from './jobs/watch-owners.ts';
import { startWorkers } from './jobs/worker.ts';
import type { Logger } from './logger.ts';
import { openProvider } from './mail/open-provider.ts';
import { openRole } from './open-role.ts';
import { SliceSize } from './pace/slice-size.ts';
import { openTell } from './partners/tell.ts';
import { closeAll } from './resources.ts';
import { deriveToken } from './tokens.ts';

/** Redis gets this long for what a request leaves behind, and a stop waits for it; after that reconcile delivers. */
const ENQUEUE_PATIENCE_MS = 1_000;
/** Requests beyond that wait for one. */
const API_CONNECTIONS = 20;

/** A started role. `stop` resolves when it has ended; false: the deadline passed first. */
export type Started = { port?: number; metricsPort?: number | undefined; stop: () => Promise<boolean> };

/** Starts the API and its dashboard. `limits` are those of the event streams; `viewers` says how many there are. */
export async function startApi(
  config: Config,
  limits: Partial<ViewerLimits> = {},
): Promise<Started & { viewers: Viewers }> {
  const { ctx, log, producers, closables, metrics, metricsPort } = await openRole(config, 'api', API_CONNECTIONS);
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
  const role = await openRole(config, 'worker', config.LETHE_CONCURRENCY + 6);
  const { ctx, log, producers, closables, metrics, metricsPort } = role;
  const { put } = createEnqueue(producers, log);
  const reach = { variable: config.variable, privateHosts: config.LETHE_PRIVATE_HOSTS };
  const { dataset, owners = [] } = ctx.declared;
  const problems = [...findUnaskable(ctx, reach), ...findUntellable(owners, reach)];
  if (dataset) problems.push(...destinationProblems(dataset, reach));
  problems.push(...[canaryProblem(ctx, config.variable) ?? []].flat());
  if (problems.length > 0) {
    await closeAll(closables, log);
    throw new UsageError(problems);
  }
  const senders = openSenders(config, ctx, log);
  const { tell, close: closeTell } = openTell(config.LETHE_PRIVATE_HOSTS);
  closables.push({ name: 'acknowledgements', close: closeTell });
  const destination = dataset && openDestination(dataset, reach);
  if (destination) closables.push({ name: 'dataset', close: destination.close });
  const provider = openProvider(config);
  const work = {
    ctx,
    put,
    metrics,
    mail: { db: ctx.db, log, provider, statusUrl: statusUrl(config) },
    revoke: revokeOf(config),
    tell,
    dataset: destination,
    sliceSize: new SliceSize(ctx.settings.sliceMs),
    showProgress: createShowProgress(ctx, producers),
  };
  const redis = { url: config.REDIS_URL, prefix: config.LETHE_REDIS_PREFIX };
  const connection = openWorkerConnection(redis, log);
  closables.push({ name: 'worker redis', close: async () => connection.disconnect() });
  const concurrency = config.LETHE_CONCURRENCY;
  const workers = startWorkers(work, connection, { prefix: redis.prefix, concurrency });
  role.reportWorking(workers.working);
  const pacing = startPacing({ ctx, producers });
  closables.push({ name: 'pace', close: pacing.stop });
  const teller = openTeller({ ...reach, provider });
  const watching = startWatchingOwners({ ctx, teller, publicUrl: config.LETHE_PUBLIC_URL });
  closables.push({ name: 'owners', close: watching.stop });
  const pump = startPump({
    ctx,
    senders,
    holder: `${hostname()}-${process.pid}-${randomUUID()}`,
    dispatch: (d) => put(windowOrder(d)),
    onAnswer: metrics.observeCall,
  });
  closables.push({ name: 'partners', close: () => senders.close() });
  const canary = openCanary(ctx, senders, canarySettings(config));
  if (canary) {
    closables.push({ name: 'canary', close: canary.close });
    closables.push({ name: 'test data', close: startWatchingCanary(canary.workOf).stop });
  }
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
    const deadline = config.LETHE_SHUTDOWN_TIMEOUT;
    const [jobs, calls] = await Promise.all([workers.stop(deadline), Promise.race([pump.stop(), after(deadline)])]);
    const clean = jobs && calls !== false;
    await closeAll(closables, log);
    log.info({ clean }, 'stopped');
    return clean;
  };
  return { metricsPort, stop };
}

/** The way to the catalog's partners. */
export function openSenders(config: Config, ctx: Context, log: Logger): Senders {
  return new Senders(ctx.kinds, {
    log,
    variable: config.variable,
    redis: { url: config.REDIS_URL, prefix: config.LETHE_REDIS_PREFIX },
    eventsUrl: config.LETHE_EVENTS_URL,
    privateHosts: config.LETHE_PRIVATE_HOSTS,
    publicUrl: config.LETHE_PUBLIC_URL,
    tokenOf: (callId) => deriveToken(ctx.settings.secrets, 'ack', callId),
  });
}

/** Where test data is planted, and asked for. */
export const canarySettings = (config: Config): CanarySettings => ({
  url: config.LETHE_CANARY_URL ?? config.LETHE_PUBLIC_URL,
  databaseUrl: config.LETHE_CANARY_DATABASE_URL,
  variable: config.variable,
});

function revokeOf(config: Config): RevokeCall | undefined {
  const { LETHE_SIGN_OUT_URL: url, LETHE_SIGN_OUT_SECRET: secret = '', LETHE_PUBLIC_URL: issuer } = config;
  return url ? revokeCall({ url, secret, issuer }) : undefined;
}

const after = (ms: number) => new Promise<false>((resolve) => setTimeout(() => resolve(false), ms).unref());
