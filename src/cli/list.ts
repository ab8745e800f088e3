import { Command, InvalidArgumentError, Option } from 'commander';
import { type Erasure, STATES, type State } from '../erasure/model/states.ts';
import { readOutstanding } from '../erasure/progress/asked.ts';
import { listErasures } from '../erasure/progress/list.ts';
import { erasureSummary } from '../http/bodies/representation.ts';
import { erasureId, marked, ofAccount } from './shell/accounts.ts';
import { stateIn } from './shell/erasure-words.ts';
import { table, time } from './shell/format.ts';
import { withSession } from './shell/open.ts';
import { json, painter, printable, type Terminal } from './shell/terminal.ts';

type Options = { state?: State; held?: true; account?: string; limit: number; cursor?: string; json?: true };

export const listCommand = (terminal: Terminal) =>
  new Command('list')
    .description('list erasures, newest first')
    .addOption(new Option('--state <state>', 'only those in this state').choices(STATES))
    .option('--held', 'only those on hold')
    .option('--account <account>', 'only those of this account, also where the evidence was scrubbed')
    .option('--limit <number>', 'at most this many', limit, 50)
    .option('--cursor <erasure>', 'go on after this one')
    .option('--json', 'one JSON document on standard output')
    .addHelpText('after', '\nExample: lethe list --state stalled')
    .action((options: Options) => {
      const cursor = options.cursor === undefined ? undefined : erasureId(options.cursor);
      return withSession(terminal, async ({ ctx }) => {
        const account = options.account === undefined ? undefined : await ofAccount(ctx, options.account);
        const filter = { state: options.state, held: options.held, ...account };
        const page = await listErasures(ctx.db, filter, { limit: options.limit, cursor });
        const { nextCursor } = page;
        const erasures = await marked(ctx, account?.accountKey, page.erasures);
        if (options.json) {
          const page = { erasures: erasures.map((e) => erasureSummary(e, true)), nextCursor };
          terminal.out.write(`${json(page, 2)}\n`);
          return;
        }
        const waiting = erasures.filter((e) => e.state === 'awaiting').map((e) => e.id);
        const outstanding = await readOutstanding(ctx.db, waiting);
        terminal.out.write(`${describe(erasures, outstanding, nextCursor, terminal).join('\n')}\n`);
      });
    });

function limit(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 1000) return value;
  throw new InvalidArgumentError('Expected a whole number from 1 to 1000.');
}

function describe(
  erasures: readonly Erasure[],
  outstanding: ReadonlyMap<string, readonly string[]>,
  nextCursor: string | null,
  terminal: Terminal,
): string[] {
  if (erasures.length === 0) return ['No erasures.'];
  const paint = painter(terminal.out);
  const rows = erasures.map((e) => [
    e.id,
    time(e.requestedAt),
    time(e.startedAt ?? e.startsAt),
    (e.accountKey === null ? 'scrubbed' : printable(e.accountKey)) + (e.newerAccountAt ? ' (an earlier account)' : ''),
    stateIn(paint, e.state) +
      (outstanding.get(e.id) ?? []).map((name, i) => `${i === 0 ? ' ' : ', '}${printable(name)}`).join('') +
      (e.heldAt ? `, on hold by ${printable(e.heldBy ?? '')}` : ''),
  ]);
  const [head, ...lines] = table(
    [{ title: 'erasure' }, { title: 'requested' }, { title: 'start' }, { title: 'account' }, { title: 'state' }],
    rows,
  );
  return [paint('grey', head as string), ...lines, ...(nextCursor ? ['', `More: add --cursor ${nextCursor}`] : [])];
}
