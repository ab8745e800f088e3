import { Command } from 'commander';
import { replayErasure } from '../erasure/accept/replay.ts';
import { notHeld } from '../erasure/accept/start.ts';
import { LetheError } from '../errors.ts';
import { requireErasure } from './shell/accounts.ts';
import { withSession } from './shell/open.ts';
import { printErasure } from './shell/print-erasure.ts';
import type { Terminal } from './shell/terminal.ts';

export const replayCommand = (terminal: Terminal) =>
  new Command('replay')
    .description("run a stalled erasure's unfinished work again")
    .argument('<erasure>', "the erasure's id")
    .option('--json', 'one JSON document on standard output')
    .addHelpText('after', '\nExample: lethe replay 019a9f3e-5b7c-7d3a-9a55-0d6d3c1f2b10')
    .action((id: string, options: { json?: true }) =>
      withSession(terminal, async ({ ctx, withQueues }) => {
        const seen = await requireErasure(ctx, id);
        if (seen.heldAt) throw new LetheError('on_hold', `release it first: lethe release ${seen.id}`);
        const dispatch = await withQueues(async (enqueue) => {
          const next = await replayErasure(ctx, seen.id, 'cli', notHeld);
          if (next) await enqueue.dispatch(next);
          return next;
        });
        if (!dispatch && seen.state !== 'running')
          throw new LetheError('not_replayable', `the erasure is ${seen.state}; only a stalled one is replayed`);
        await printErasure(ctx, seen.id, terminal, options);
      }),
    );
