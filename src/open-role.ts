import type { Config } from './config.ts';
import { type Inside, listenForMetrics } from './http/metrics.ts';
import { startExporting } from './jobs/export-gauges.ts';
import { checkRights, watchRights } from './jobs/redis/rights.ts';
import { createLogger, type Logger } from './logger.ts';
import { createMetrics } from './metrics.ts';
import { closeAll, openResources, type Resources } from './resources.ts';

/** What the API and a worker both stand on. */
export type Role = Pick<Resources, 'ctx' | 'producers' | 'closables'> & {
  log: Logger;
  metrics: Inside['metrics'];
  /** Absent where the port is not set. */
  metricsPort: number | undefined;
  /** Tells the readiness on that port whether this role does its work. */
  reportWorking: (working: () => boolean) => void;
};

/**
 * Opens the resources of a role, whose verbs count what they delete, and its second port. Throws a UsageError where Redis refuses
 * what jobs need. `connections`: to Postgres, at most.
 */
export async function openRole(config: Config, role: 'api' | 'worker', connections: number): Promise<Role> {
  const log = createLogger(config.LOG_LEVEL, role);
  const metrics = createMetrics({ defaults: config.LETHE_METRICS_PORT !== undefined });
  const opened = await openResources(config, log, { max: connections, name: `lethe-${role}` });
  const { producers, closables } = opened;
  const ctx = { ...opened.ctx, onDeleted: metrics.countRows };
  const inside: Inside = { ctx, producers, metrics, ...(role === 'worker' ? { working: () => false } : {}) };
  try {
    await checkRights(producers, log);
    const watching = watchRights(producers, log);
    closables.push({ name: 'rights', close: async () => watching.stop() });
    const metricsPort = await showMetrics(config, inside, { ctx, producers, closables });
    const reportWorking = (working: () => boolean) => void Object.assign(inside, { working });
    return { ctx, producers, closables, log, metrics, metricsPort, reportWorking };
  } catch (error) {
    await closeAll(closables, log);
    throw error;
  }
}

/** Opens the second port and takes part in exporting the cluster's gauges; nothing where the port is not set. */
async function showMetrics(
  config: Config,
  inside: Inside,
  { ctx, producers, closables }: Pick<Role, 'ctx' | 'producers' | 'closables'>,
): Promise<number | undefined> {
  if (config.LETHE_METRICS_PORT === undefined) return undefined;
  const listening = await listenForMetrics(inside, { port: config.LETHE_METRICS_PORT, hostname: config.HOST });
  closables.push({ name: 'metrics', close: listening.close });
  const exporting = startExporting({ ctx, producers, metrics: inside.metrics });
  closables.push({ name: 'gauges', close: exporting.stop });
  ctx.log.info({ metricsPort: listening.port }, 'metrics listening');
  return listening.port;
}
