import { checkCatalog, readDeadlockTimeout } from './catalog/check.ts';
import { lateLocations } from './catalog/late-locations.ts';
import { loadCatalog } from './catalog/load.ts';
import { watchCatalog } from './catalog/watch.ts';
import { type Config, droppedParts } from './config.ts';
import { keepCatalog } from './erasure/model/catalog-of.ts';
import type { Context } from './erasure/model/context.ts';
import { UsageError } from './errors.ts';
import { openProducers } from './jobs/redis/connection.ts';
import type { Producers } from './jobs/redis/producers.ts';
import { KINDS, type Kinds } from './locations/kinds/registry.ts';
import type { Logger } from './logger.ts';
import { type Connection, connect } from './store/client.ts';
import { firstError } from './store/first-error.ts';
import { pendingMigrations } from './store/migrate.ts';

/** Something that was opened and must be closed. */
export type Closable = { name: string; close: () => Promise<unknown> };

/** Closes in reverse order; one that cannot be closed does not keep the others open. */
export async function closeAll(opened: Closable[], log: Logger): Promise<void> {
  for (const { name, close } of [...opened].reverse()) {
    await close().catch((error: Error) => log.warn({ name, code: error.name }, 'not closed cleanly'));
  }
}

export type Resources = { ctx: Context; producers: Producers; connection: Connection; closables: Closable[] };

/**
 * Opens Postgres and Redis, and checks the catalog against the live schema. Throws a UsageError when
 * it must not start; warnings are logged, each with what helps.
 */
export async function openResources(
  config: Config,
  log: Logger,
  pool: { max: number; name: string },
  kinds: Kinds = KINDS,
): Promise<Resources> {
  for (const warning of droppedParts(config)) log.warn({ warning }, 'configuration');
  const declared = loadCatalog(config.LETHE_CATALOG, kinds);
  const connection = connect(config.DATABASE_URL, { max: pool.max, applicationName: pool.name });
  const closables: Closable[] = [{ name: 'postgres', close: connection.close }];
  try {
    const { catalog, warnings, drift } = await checkCatalog(connection.db, declared, kinds);
    const pending = await pendingMigrations(connection.db);
    if (pending > 0) throw new UsageError([`the database lacks ${pending} migration(s): run lethe migrate`]);
    for (const warning of [...warnings, ...lateLocations(catalog, settingsOf(config, 0))])
      log.warn({ warning }, 'catalog');
    await keepCatalog(connection.db, declared);
    const deadlockMs = await readDeadlockTimeout(connection.db);
    const watch = watchCatalog(
      connection.db,
      declared,
      { catalog, drift },
      { kinds, log, intervalMs: config.LETHE_RECONCILE_INTERVAL },
    );
    closables.push({ name: 'catalog', close: watch.stop });
    const producers = openProducers({ url: config.REDIS_URL, prefix: config.LETHE_REDIS_PREFIX }, log);
    closables.push({ name: 'redis', close: producers.close });
    return {
      ctx: {
        db: connection.db,
        catalog,
        declared,
        kinds,
        pastCatalogs: new Map(),
        drift: watch.drift,
        log,
        settings: settingsOf(config, deadlockMs),
      },
      producers,
      connection,
      closables,
    };
  } catch (error) {
    await closeAll(closables, log);
    throw firstError(error, 'DATABASE_URL');
  }
}

/** The numbers that the verbs work by. */
export function settingsOf(config: Config, deadlockMs: number): Context['settings'] {
  return {
    secrets: config.LETHE_SECRET ?? [],
    sweepCron: config.LETHE_SWEEP_CRON,
    datasetCron: config.LETHE_DATASET_CRON,
    revokesTokens: config.LETHE_SIGN_OUT_URL !== undefined,
    undoWindowMs: config.LETHE_UNDO_WINDOW,
    slaMs: config.LETHE_SLA,
    chunkRows: config.LETHE_CHUNK_ROWS,
    slots: config.LETHE_GLOBAL_CONCURRENCY,
    sliceMs: config.LETHE_SLICE_TIME,
    pace: config.LETHE_PACE,
    replicaLagMs: config.LETHE_MAX_REPLICA_LAG,
    immediateMs: config.LETHE_IMMEDIATE_TIME,
    windowChunks: 16 * config.LETHE_GLOBAL_CONCURRENCY,
    stalledRetryMs: config.LETHE_STALLED_RETRY,
    ledgerRetentionMs: config.LETHE_LEDGER_RETENTION,
    evidenceRetentionMs: config.LETHE_EVIDENCE_RETENTION,
    lockBudgetMs: 0.7 * deadlockMs,
  };
}
