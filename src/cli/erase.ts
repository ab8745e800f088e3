import { createInterface } from 'node:readline/promises';
import { Command } from 'commander';
import { requestErasure } from '../erasure/accept/request.ts';
import { type Erasure, isDeletingSessions } from '../erasure/model/states.ts';
import { UsageError } from '../errors.ts';
import { acceptedResource } from '../http/bodies/representation.ts';
import { beginErasure } from '../jobs/begin-erasure.ts';
import { parseKey } from '../keys/parse.ts';
import { time } from './shell/format.ts';
import { withSession } from './shell/open.ts';
import { json, painter, printable, type Terminal } from './shell/terminal.ts';

type Options = { now?: true; yes?: true; json?: true };

export const eraseCommand = (terminal: Terminal) =>
  new Command('erase')
    .description('erase an account, as a request to the API would')
    .argument('<account>', "the account's key")
    .option('--now', 'do not wait for the next sweep; it cannot be undone then')
    .option('--yes', 'do not ask; needed where there is no terminal')
    .option('--json', 'one JSON document on standard output')
    .addHelpText('after', '\nExample: lethe erase 4711 --now')
    .action((account: string, options: Options) =>
      withSession(terminal, async ({ ctx, withQueues }) => {
        const accountKey = parseKey(ctx.catalog.account.key, account, 'account');
        if (!options.yes && !(await confirm(terminal, account))) {
          terminal.err.write('lethe: nothing was erased\n');
          terminal.exitCode = 1;
          return;
        }
        const accepted = await withQueues(async (enqueue) =>
          beginErasure(
            ctx,
            enqueue,
            await requestErasure(ctx, { accountKey, requestedBy: 'cli' }, { eraseSmall: true }),
            { by: 'cli', startNow: options.now === true },
          ),
        );
        // The account already has an erasure, and it waits for an operator.
        if (accepted.state === 'stalled') terminal.exitCode = 1;
        terminal.out.write(
          options.json ? `${json(acceptedResource(accepted), 2)}\n` : `${describe(accepted, terminal).join('\n')}\n`,
        );
      }),
    );

async function confirm(terminal: Terminal, account: string): Promise<boolean> {
  if (!terminal.input.isTTY)
    throw new UsageError(['there is no terminal to ask on: add --yes to erase without a question']);
  const lines = createInterface({ input: terminal.input, output: terminal.err, terminal: false });
  const ended = new Promise<string>((resolve) => lines.once('close', () => resolve('')));
  try {
    const question = `Erase account ${printable(account)} for good? (lethe plan ${printable(account)} shows what that is) [y/N] `;
    return /^y(es)?$/i.test((await Promise.race([lines.question(question), ended])).trim());
  } finally {
    lines.close();
  }
}

function describe(e: Erasure, terminal: Terminal): string[] {
  const paint = painter(terminal.out);
  const colour = e.state === 'completed' ? 'green' : e.state === 'stalled' ? 'red' : 'yellow';
  return [
    `Erasure  ${e.id}`,
    `State    ${paint(colour, e.heldAt ? `${e.state}, on hold` : e.state)}`,
    e.state === 'completed' ? `Done     ${time(e.completedAt as Date)}` : `Start    ${time(e.startedAt ?? e.startsAt)}`,
    ...(e.state === 'completed' ? [] : [`Watch    lethe status ${e.id} --watch`]),
    ...(isDeletingSessions(e) ? ['Sessions are many: the workers delete the rest of them now'] : []),
    ...(e.state === 'scheduled' ? [`Undo     lethe undo ${e.id}`] : []),
  ];
}
