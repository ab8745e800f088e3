import { Command } from 'commander';
import { loadConfig } from '../config.ts';
import { type Started, startApi, startWorker } from '../main.ts';

export const apiCommand = () =>
  new Command('api')
    .description('run the HTTP API and the dashboard')
    .action(() => untilStopped(() => startApi(loadConfig('api'))));

export const workerCommand = () =>
  new Command('worker')
    .description('run a worker; start as many as you like')
    .action(() => untilStopped(() => startWorker(loadConfig('worker'))));

/**
 * Runs a role until the first SIGTERM or SIGINT, also one that arrives while it starts; a second one
 * ends the process at once.
 */
async function untilStopped(start: () => Promise<Started>): Promise<void> {
  const signalled = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => {
        process.once(signal, () => process.exit(1));
        resolve();
      });
    }
  });
  const { stop } = await start();
  await signalled;
  await stop();
}
