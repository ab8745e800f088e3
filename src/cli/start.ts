import { Command } from 'commander';
import { notHeld, startErasure } from '../erasure/accept/start.ts';
import { findErasure } from '../erasure/model/states.ts';
import { LetheError } from '../errors.ts';
import { requireErasure } from './shell/accounts.ts';
import { withSession } from './shell/open.ts';
import { printErasure } from './shell/print-erasure.ts';
import type { Terminal } from './shell/terminal.ts';

export const startCommand = (terminal: Terminal) =>
  new Command('start')
    .description('start a scheduled erasure now; it cannot be undone then')
    .argument('<erasure>', "the erasure's id")
    .option('--json', 'one JSON document on standard output')
    .addHelpText('after', '\nExample: lethe start 019a9f3e-5b7c-7d3a-9a55-0d6d3c1f2b10')
    .action((id: string, options: { json?: true }) =>
      withSession(terminal, async ({ ctx, withQueues }) => {
        const seen = await requireErasure(ctx, id);
        await withQueues(async (enqueue) => {
          const dispatch = await startErasure(ctx, seen.id, notHeld, 'cli');
          if (dispatch) return enqueue.dispatch(dispatch);
          const now = await findErasure(ctx.db, seen.id);
          if (now?.heldAt) throw new LetheError('on_hold', `release it first: lethe release ${seen.id}`);
          if (now?.state !== 'running') throw new LetheError('not_live', `the erasure is ${now?.state}`);
        });
        await printErasure(ctx, seen.id, terminal, options);
      }),
    );
