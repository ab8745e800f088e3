import { Command } from 'commander';
import type { Erasure } from '../erasure/model/states.ts';
import type { Asked } from '../erasure/progress/asked.ts';
import { askedWords } from '../erasure/progress/asked-words.ts';
import type { Progress } from '../erasure/progress/status.ts';
import { erasureResource } from '../http/bodies/representation.ts';
import { findByIdOrAccount, marked } from './shell/accounts.ts';
import { heldWords, progressWords, readErasure, stateIn } from './shell/erasure-words.ts';
import { number, table, time } from './shell/format.ts';
import { withSession } from './shell/open.ts';
import { json, type Paint, painter, printable, type Terminal } from './shell/terminal.ts';
import { watch } from './watch.ts';

export const statusCommand = (terminal: Terminal) =>
  new Command('status')
    .description('show how far an erasure is; --watch follows it to its end')
    .argument('<erasure or account>', "the erasure's id, or the account's key: its live or newest erasure")
    .option('--watch', 'follow it: bars on a terminal, else a line for each change')
    .option('--json', 'one JSON document; with --watch a line for each change')
    .addHelpText(
      'after',
      '\nExit codes: 0 completed, or on its way; 1 stalled, or with --watch cancelled; 130 ended by Ctrl-C.\n' +
        'Example: lethe status 4711 --watch',
    )
    .action((what: string, options: { watch?: true; json?: true }) =>
      withSession(terminal, async ({ ctx }) => {
        const found = await findByIdOrAccount(ctx, what);
        if (options.watch) {
          terminal.exitCode = await watch(ctx, found.id, terminal, options.json === true);
          return;
        }
        const { erasure: seen, progress } = await readErasure(ctx, found.id);
        const [erasure = seen] = await marked(ctx, seen.accountKey, [seen]);
        if (erasure.state === 'stalled') terminal.exitCode = 1;
        terminal.out.write(
          options.json
            ? `${json(erasureResource(erasure, progress, true), 2)}\n`
            : `${describe(erasure, progress, painter(terminal.out)).join('\n')}\n`,
        );
      }),
    );

function describe(e: Erasure, progress: Progress, paint: Paint): string[] {
  const errors = progress.locations.filter((l) => l.lastError !== null);
  const asked = progress.locations.filter((l) => l.asked);
  return [
    `Erasure   ${paint('bold', e.id)}`,
    `Account   ${e.accountKey === null ? 'no longer known: the evidence was scrubbed' : printable(e.accountKey)}`,
    `State     ${stateIn(paint, e.state)}${whenOf(e)}`,
    ...(e.newerAccountAt
      ? [paint('yellow', 'Key       another account has it now: this erasure does not touch it')]
      : []),
    ...(e.heldAt ? [paint('yellow', `On hold   ${heldWords(e)}`)] : []),
    `Progress  ${progressWords(progress)}`,
    `Due       ${time(e.dueAt)}`,
    '',
    ...table(
      [
        { title: 'location' },
        { title: 'owner' },
        { title: 'deleted', right: true },
        { title: 'planned', right: true },
        { title: 'state' },
      ],
      progress.locations.map((l) => [
        printable(l.name),
        printable(l.owner),
        number(l.rowsDeleted),
        number(l.rowsPlanned),
        stateIn(paint, l.state),
      ]),
    ).map((line, i) => `  ${i === 0 ? paint('grey', line) : line}`),
    ...(asked.length > 0 ? [''] : []),
    ...asked.map(
      (l) =>
        `${paint('yellow', printable(l.name))}: ${printable(askedWords(l.asked as Asked, new Date(), time).join('. '))}.`,
    ),
    ...(errors.length > 0 ? [''] : []),
    ...errors.map((l) => `${paint('red', printable(l.name))}: ${printable(l.lastError ?? '')}`),
    ...(e.state === 'stalled' ? ['', `When it is mended: lethe replay ${e.id}`] : []),
  ];
}

function whenOf(e: Erasure): string {
  if (e.state === 'scheduled') return `, starts ${time(e.startsAt)}`;
  if (e.state === 'completed') return `, ${time(e.completedAt as Date)}`;
  if (e.state === 'cancelled') return `, ${time(e.cancelledAt as Date)}`;
  if (e.state === 'stalled' && e.retryAt) return `, tried again ${time(e.retryAt)}`;
  return e.startedAt ? `, since ${time(e.startedAt)}` : '';
}
