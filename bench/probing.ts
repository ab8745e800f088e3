import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Sample } from './probe.ts';

/** Milliseconds since 1970, comparable with those of the probe's process. */
export const now = () => performance.timeOrigin + performance.now();

export type Probing = { stop: () => Promise<Sample[]> };

/** Starts the application's traffic on a database, in a process of its own. Throws in `stop` when a statement failed. */
export async function startProbing(url: string, perSecond = 200): Promise<Probing> {
  const child = fork(fileURLToPath(new URL('probe.ts', import.meta.url)), { execArgv: ['--import', 'tsx'] });
  const ended = once(child, 'exit').then(() => {
    throw new Error('the probe ended');
  });
  ended.catch(() => {});
  const answer = () => Promise.race([once(child, 'message'), ended]);
  child.send({ url, perSecond });
  await answer();
  return {
    stop: async () => {
      child.send('stop');
      const [{ samples, failed }] = (await answer()) as [{ samples: Sample[]; failed: number }];
      if (failed > 0) throw new Error(`${failed} statements of the probe failed`);
      return samples;
    },
  };
}

/** Latencies of what was due in an interval. */
export const during = (samples: readonly Sample[], from: number, to: number): number[] =>
  samples.filter(({ at }) => at >= from && at <= to).map(({ ms }) => ms);
