import { Command } from 'commander';
import { cancelErasure } from '../erasure/accept/cancel.ts';
import { requireErasure } from './shell/accounts.ts';
import { withSession } from './shell/open.ts';
import { printErasure } from './shell/print-erasure.ts';
import type { Terminal } from './shell/terminal.ts';

export const undoCommand = (terminal: Terminal) =>
  new Command('undo')
    .description('give up an erasure of which nothing is deleted yet: the account can sign in again')
    .argument('<erasure>', "the erasure's id")
    .option('--json', 'one JSON document on standard output')
    .addHelpText('after', '\nExample: lethe undo 019a9f3e-5b7c-7d3a-9a55-0d6d3c1f2b10')
    .action((id: string, options: { json?: true }) =>
      withSession(terminal, async ({ ctx }) => {
        const seen = await requireErasure(ctx, id);
        await cancelErasure(ctx, seen, 'cli');
        await printErasure(ctx, seen.id, terminal, options);
      }),
    );
