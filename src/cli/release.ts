import { Command } from 'commander';
import { releaseErasure } from '../erasure/model/hold.ts';
import { requireErasure } from './shell/accounts.ts';
import { withSession } from './shell/open.ts';
import { printErasure } from './shell/print-erasure.ts';
import type { Terminal } from './shell/terminal.ts';

export const releaseCommand = (terminal: Terminal) =>
  new Command('release')
    .description('lift the hold of an erasure: it goes on where it was')
    .argument('<erasure>', "the erasure's id")
    .option('--json', 'one JSON document on standard output')
    .addHelpText('after', '\nExample: lethe release 019a9f3e-5b7c-7d3a-9a55-0d6d3c1f2b10')
    .action((id: string, options: { json?: true }) =>
      withSession(terminal, async ({ ctx, withQueues }) => {
        const seen = await requireErasure(ctx, id);
        await withQueues(async (enqueue) => {
          const { dispatch } = await releaseErasure(ctx, seen.id, 'cli');
          if (dispatch) await enqueue.dispatch(dispatch);
        });
        await printErasure(ctx, seen.id, terminal, options);
      }),
    );
