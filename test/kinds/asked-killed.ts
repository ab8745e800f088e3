import { start, stop, waitForOutput } from '../../dev/process.ts';
import { program } from '../support/program.ts';
import { until } from '../support/until.ts';
import type { AskedPlace } from './asked-subject.ts';

/** What the process says once it stands still. */
export const ANSWERED = 'stands still with an answer that is not settled';
/** Name of its connections. */
export const STOPPED = 'stopped in a call';

/** Makes the calls that are due in a process of its own, which is killed between the answer and its settling. */
export async function killInCall({ name, world, sql }: AskedPlace): Promise<void> {
  const args = [program('test/kinds/stop-in-call.ts'), name];
  const env = { PATH: process.env.PATH, ...world.env };
  const running = start(process.execPath, args, { env });
  try {
    await waitForOutput(running, (output) => output.includes(ANSWERED), 60_000, 'the process');
  } finally {
    await stop(running, 'SIGKILL');
  }
  await until('the server has ended its sessions', async () => {
    const left =
      await sql`SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = ${STOPPED}`;
    return left.length === 0;
  });
}
