import { start, stop, waitForOutput } from '../../dev/process.ts';
import { program } from '../support/program.ts';
import { until } from '../support/until.ts';
import type { Place } from './subject.ts';

/** What the process says once it stands still. */
export const IN_THE_MIDDLE = 'stands still in the middle of a slice';
/** Name of its connections. */
export const STOPPED = 'stopped in a slice';

/** Runs a chunk's job in a process of its own, which is killed in the middle of the second slice. */
export async function killInChunk({ name, world, sql }: Place, chunkId: number): Promise<void> {
  const args = [program('test/kinds/stop-in-chunk.ts'), name, String(chunkId)];
  const env = { PATH: process.env.PATH, ...world.env };
  const running = start(process.execPath, args, { env });
  try {
    await waitForOutput(running, (output) => output.includes(IN_THE_MIDDLE), 60_000, 'the process');
  } finally {
    await stop(running, 'SIGKILL');
  }
  await until('the server has ended its sessions', async () => {
    const left =
      await sql`SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = ${STOPPED}`;
    return left.length === 0;
  });
}
