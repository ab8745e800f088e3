import { Command } from 'commander';
import { type Estimate, estimateErasure, type LocationEstimate } from '../erasure/accept/estimate.ts';
import { erasureSummary } from '../http/bodies/representation.ts';
import { parseKey } from '../keys/parse.ts';
import { duration, number, table, time } from './shell/format.ts';
import { withSession } from './shell/open.ts';
import { json, painter, printable, type Terminal } from './shell/terminal.ts';

export const planCommand = (terminal: Terminal) =>
  new Command('plan')
    .description('show what erasing an account would do, and change nothing')
    .argument('<account>', "the account's key")
    .option('--json', 'one JSON document on standard output')
    .addHelpText('after', '\nExample: lethe plan 4711')
    .action((account: string, options: { json?: true }) =>
      withSession(
        terminal,
        async ({ ctx, warnings }) => {
          const estimate = await estimateErasure(ctx, parseKey(ctx.catalog.account.key, account, 'account'));
          if (options.json) terminal.out.write(`${json(resource(estimate, warnings), 2)}\n`);
          else terminal.out.write(`${describe(estimate, warnings, terminal).join('\n')}\n`);
        },
        'plan',
      ),
    );

const resource = ({ erasure, startsAt, estimatedMs, inTheWay, ...rest }: Estimate, warnings: readonly string[]) => ({
  ...rest,
  startsAt: startsAt?.toISOString() ?? null,
  estimatedMs: whole(estimatedMs),
  erasure: erasure && erasureSummary(erasure, true),
  strays: inTheWay.map((found) => found.evidence),
  locations: rest.locations.map((l) => ({ ...l, estimatedMs: whole(l.estimatedMs) })),
  warnings,
});
const whole = (ms: number | null) => ms && Math.ceil(ms);

const WORDS: Record<string, string> = { delete: 'delete', anonymize: 'anonymize', retain: 'keep' };

function describe(estimate: Estimate, warnings: readonly string[], terminal: Terminal): string[] {
  const paint = painter(terminal.out);
  const { locations, rows, estimatedMs } = estimate;
  const lines = table(
    [
      { title: 'stage', right: true },
      { title: 'location' },
      { title: 'owner' },
      { title: 'action' },
      { title: 'when' },
      { title: 'rows', right: true },
      { title: 'chunks', right: true },
      { title: 'time', right: true },
    ],
    [
      ...locations.map((l) => [
        String(l.stage),
        printable(l.name),
        printable(l.owner),
        WORDS[l.action] ?? l.action,
        whenOf(l, estimate),
        isPartner(l) ? 'asked' : number(l.rows),
        l.chunks === 0 ? '–' : number(l.chunks),
        timeOf(l),
      ]),
      ['', 'all', '', '', '', number(rows), '', totalTime(estimatedMs, rows)],
    ],
  );
  return [
    paint('bold', `Account ${printable(estimate.accountId)}: what an erasure would do. Nothing was changed.`),
    '',
    ...lines.map((line, i) => `  ${i === 0 ? paint('grey', line) : line}`),
    '',
    ...outcome(estimate),
    estimate.onHold
      ? paint(
          'yellow',
          'Hold:   the application holds the account: only what is erased at request is, the rest waits for the release.',
        )
      : 'Hold:   the application does not hold the account.',
    ...estimate.inTheWay.map(({ rows, words }) =>
      rows === null
        ? `${paint('yellow', 'Not looked through in time:')} ${printable(words)}, if there are any`
        : `${paint('red', 'In the way:')} ${printable(words)}: an erasure stops before anything is deleted`,
    ),
    ...warnings.map((warning) => `${paint('yellow', 'Warning:')} ${printable(warning)}`),
  ];
}

const isPartner = ({ when }: LocationEstimate) => when === 'first' || when === 'last';

const whenOf = (l: LocationEstimate, { mode, erasure }: Estimate) =>
  isPartner(l)
    ? l.when === 'first'
      ? 'before all'
      : 'at the end'
    : l.when === 'request'
      ? erasure
        ? 'at once'
        : 'at request'
      : mode === 'immediate'
        ? 'at once'
        : 'at start';

function timeOf(l: LocationEstimate): string {
  if (l.when === 'request' || isPartner(l) || l.rows === 0) return '–';
  if (l.rows === null) return 'not counted';
  return l.estimatedMs === null ? 'not measured yet' : duration(l.estimatedMs);
}

const totalTime = (ms: number | null, rows: number | null) =>
  ms !== null ? duration(ms) : rows === null ? 'not counted' : 'not measured yet';

function outcome({ erasure, mode, startsAt }: Estimate): string[] {
  if (erasure) {
    const held = erasure.heldAt ? `, on hold since ${time(erasure.heldAt)}` : '';
    return [
      `Start:  erasure ${erasure.id} is ${erasure.state}${held}; asking again returns it (lethe status ${erasure.id}).`,
    ];
  }
  return mode === 'immediate'
    ? ['Start:  at once, within the request: it is small. It cannot be undone.']
    : [`Start:  scheduled for ${time(startsAt as Date)}; it can be undone until then, and --now skips the wait.`];
}
