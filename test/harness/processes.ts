import { resolve } from 'node:path';
import { freePort } from '../../dev/free-port.ts';
import { Relay } from './relay.ts';
import type { Schedule } from './schedule.ts';
import { Supervised } from './supervised.ts';
import { Wire } from './wire.ts';

const LETHE = resolve('dist/cli/lethe.js');

/** The API of a run, and then its workers, each with relays of its own. They are not started. `closing` takes what ends them. */
export async function manProcesses(
  { workers, nextVersion }: Pick<Schedule, 'workers' | 'nextVersion'>,
  given: {
    env: NodeJS.ProcessEnv;
    folder: string;
    closing: (() => Promise<unknown>)[];
    /** The command of the next version. */
    nextVersion: () => string;
    /** Workers say their metrics. */
    metrics: boolean;
    postgres: { port: () => number; at: (port: number) => string };
    redisUrl: string;
  },
): Promise<Supervised[]> {
  const { env, folder, closing, postgres } = given;
  const processes: Supervised[] = [];
  for (let i = 0; i <= workers; i++) {
    const wire = await Wire.open(postgres.port);
    const redis = await Relay.open(() => Number(new URL(given.redisUrl).port));
    closing.push(
      () => wire.relay.close(),
      () => redis.close(),
    );
    const metricsPort = given.metrics && i > 0 ? await freePort() : undefined;
    processes.push(
      new Supervised({
        name: i === 0 ? 'api' : `worker-${i}`,
        role: i === 0 ? 'api' : 'worker',
        wire,
        redis,
        launch: { lethe: i > 0 && i <= nextVersion ? given.nextVersion() : LETHE },
        env: {
          ...env,
          DATABASE_URL: postgres.at(wire.relay.port),
          REDIS_URL: `redis://127.0.0.1:${redis.port}`,
          ...(metricsPort ? { LETHE_METRICS_PORT: String(metricsPort) } : {}),
        },
        metricsPort,
        folder,
      }),
    );
  }
  return processes;
}
