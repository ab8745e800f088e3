import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../dev/free-port.ts';
import { start, stop, waitForOutput } from '../../dev/process.ts';
import { sweepUp } from '../../dev/reaper.ts';
import { findRedis, type RedisServer } from '../../dev/redis.ts';

export const MASTER = 'lethe-master';

/** One Sentinel that fails over by itself, after half a second without the master, which it watches on this port. */
export async function startSentinel(
  master: RedisServer,
  { masterPort = Number(new URL(master.url).port), more = [] as [string, string][] } = {},
): Promise<{ port: number; destroy: () => Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'lethe-sentinel-'));
  sweepUp(folder);
  const port = await freePort();
  const file = join(folder, 'sentinel.conf');
  const settings = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${folder}`,
    `sentinel monitor ${MASTER} 127.0.0.1 ${masterPort} 1`,
    `sentinel down-after-milliseconds ${MASTER} 500`,
    `sentinel failover-timeout ${MASTER} 5000`,
    ...more.map((setting) => setting.join(' ')),
  ];
  writeFileSync(file, `${settings.join('\n')}\n`);
  const running = start(findRedis() as string, [file, '--sentinel']);
  await waitForOutput(running, (output) => output.includes('+monitor master'), 20_000, 'Sentinel');
  await waitForOutput(running, (output) => output.includes('+slave slave'), 20_000, 'Sentinel');
  return {
    port,
    destroy: async () => {
      await stop(running);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
