import { randomUUID } from 'node:crypto';
import { pumpOnce } from '../../src/erasure/calls/pump.ts';
import { Senders } from '../../src/erasure/calls/senders.ts';
import type { Context } from '../../src/erasure/model/context.ts';
import { run } from './run-by-hand.ts';
import type { World } from './world.ts';

/** A call as support sees it. */
export type SeenCall = {
  id: string;
  state: string;
  attempts: number;
  cursor: string[] | null;
  last_words: string | null;
  sealed: Uint8Array | null;
  due_in: number | null;
};

/** What of a worker makes calls, without jobs: each round is the test's. */
export function byHand(world: World, ctx: Context, log = ctx.log) {
  const config = world.config('worker', { LETHE_PRIVATE_HOSTS: '127.0.0.1' });
  const senders = new Senders(ctx.kinds, {
    log,
    variable: config.variable,
    redis: { url: '', prefix: '' },
    privateHosts: config.LETHE_PRIVATE_HOSTS,
    publicUrl: 'http://lethe.test',
    tokenOf: (id) => `token of ${id}`,
  });
  const holder = randomUUID();
  const { sql } = world;
  const calls = (erasure: string) =>
    sql<SeenCall[]>`SELECT id, state, attempts, cursor, last_words, sealed,
                           extract(epoch FROM next_at - now())::float8 AS due_in
                      FROM lethe.call WHERE erasure_id = ${erasure} ORDER BY id`;
  return {
    calls,
    /** Makes the calls that are due, and does the steps that they wake. Returns the state. */
    round: async (erasure: string) => {
      await run(ctx, erasure);
      await pumpOnce({ ctx, senders, holder, dispatch: async () => {} });
      await run(ctx, erasure);
      const [row] = await sql<{ state: string }[]>`SELECT state FROM lethe.erasure WHERE id = ${erasure}`;
      return row?.state;
    },
    /** The time passes until every call may be made again. */
    elapse: async () => {
      await sql`UPDATE lethe.call SET next_at = now() - interval '1 second' WHERE next_at IS NOT NULL`;
      await sql`UPDATE lethe.partner SET probe_at = now() - interval '1 hour', paused_until = NULL`;
    },
    close: () => senders.close(),
  };
}
