import { Command } from 'commander';
import { holdErasure } from '../erasure/model/hold.ts';
import { parseReason, REASON_EXPECTED } from '../erasure/model/hold-reason.ts';
import { UsageError } from '../errors.ts';
import { erasureId } from './shell/accounts.ts';
import { withSession } from './shell/open.ts';
import { printErasure } from './shell/print-erasure.ts';
import type { Terminal } from './shell/terminal.ts';

export const holdCommand = (terminal: Terminal) =>
  new Command('hold')
    .description('freeze an erasure: nothing more is deleted until it is released')
    .argument('<erasure>', "the erasure's id")
    .requiredOption('--reason <text>', 'why; operators see it')
    .option('--json', 'one JSON document on standard output')
    .addHelpText('after', '\nExample: lethe hold 019a9f3e-5b7c-7d3a-9a55-0d6d3c1f2b10 --reason "legal case 7"')
    .action((id: string, options: { reason: string; json?: true }) => {
      const reason = parseReason(options.reason);
      if (reason === null) throw new UsageError([`--reason: ${REASON_EXPECTED}`]);
      const checked = erasureId(id);
      return withSession(terminal, async ({ ctx }) => {
        await holdErasure(ctx, checked, 'cli', reason);
        await printErasure(ctx, checked, terminal, options);
      });
    });
