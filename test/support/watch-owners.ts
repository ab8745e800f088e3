import { loadConfig } from '../../src/config.ts';
import { openTeller } from '../../src/erasure/watch/teller.ts';
import { startWatchingOwners } from '../../src/jobs/watch-owners.ts';
import { createLogger, type Logger } from '../../src/logger.ts';
import { openProvider } from '../../src/mail/open-provider.ts';
import { openResources } from '../../src/resources.ts';

/** As long as a test can wait for; the states are those of `PATIENCE`. */
export const QUICK = {
  tickMs: 50,
  doneMs: 0,
  rest: 1,
  patience: { badMs: 300, calmMs: 600, gapMs: 60_000 },
  retryMs: () => 200,
};

/** Watches the owners of a catalog as a worker does, and hastily. `env`: the environment of a worker. */
export async function watchOwners(
  env: NodeJS.ProcessEnv,
  log: Logger = createLogger('silent', 'test'),
): Promise<{ stop: () => Promise<void> }> {
  const config = loadConfig('worker', env);
  const { ctx, closables } = await openResources(config, log, { max: 4, name: 'owners' });
  const teller = openTeller({
    variable: config.variable,
    privateHosts: config.LETHE_PRIVATE_HOSTS,
    provider: openProvider(config),
  });
  const watching = startWatchingOwners({ ctx, teller, publicUrl: config.LETHE_PUBLIC_URL }, QUICK);
  return {
    stop: async () => {
      await watching.stop();
      for (const { close } of [...closables].reverse()) await close();
    },
  };
}
