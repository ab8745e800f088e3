import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { beginCycle, findCycle, findLiveCycle, listCycles } from '../canary/cycles.ts';
import type { Cycle } from '../canary/model.ts';
import { moveCycle } from '../canary/move.ts';
import { canaryProblem, openCanary } from '../canary/open.ts';
import type { Config } from '../config.ts';
import type { Context } from '../erasure/model/context.ts';
import { UsageError } from '../errors.ts';
import { canarySettings, openSenders } from '../main.ts';
import { sanitize } from '../store/sql-errors.ts';
import { duration, time } from './shell/format.ts';
import { withSession } from './shell/open.ts';
import { json, painter, printable, type Terminal } from './shell/terminal.ts';

const TICK_MS = 500;
const SHOWN = 10;

export const canaryCommand = (terminal: Terminal) =>
  new Command('canary')
    .description('plant test data, erase it and look for it; or show how that stands')
    .addCommand(
      new Command('run')
        .description('do one whole cycle now, and print what happens; one that is under way is gone on with')
        .addHelpText(
          'after',
          '\nNeeds what a worker needs, and an API that is reached at LETHE_CANARY_URL.\n' +
            'Exit codes: 0 all of it is gone, 1 something was found.\nExample: lethe canary run',
        )
        .action(() => withSession(terminal, ({ ctx, config }) => run(ctx, config, terminal))),
    )
    .addCommand(
      new Command('status')
        .description('show the last cycles, and what was found')
        .option('--json', 'one JSON document on standard output')
        .addHelpText('after', '\nExit codes: 0; 1 when the last cycle that came to its end has failed.')
        .action((options: { json?: true }) => withSession(terminal, ({ ctx }) => status(ctx, terminal, options))),
    );

async function run(ctx: Context, config: Config, terminal: Terminal): Promise<void> {
  const { canary: declared } = ctx.declared;
  const problem = declared ? canaryProblem(ctx, config.variable) : 'the catalog has no canary: docs/test-data.md';
  if (!declared || problem) throw new UsageError([problem ?? '']);
  const senders = openSenders(config, ctx, ctx.log);
  const opened = openCanary(ctx, senders, canarySettings(config));
  const print = (words: string) => terminal.out.write(`${printable(words)}\n`);
  try {
    const live = await findLiveCycle(ctx.db);
    const id = live?.id ?? (await beginCycle(ctx.db, 0)) ?? (await findLiveCycle(ctx.db))?.id;
    if (live) print('A cycle is under way: it is gone on with.');
    const work = opened?.workOf(new AbortController().signal);
    const say = sayer(ctx, print);
    let failed: string | undefined;
    for (;;) {
      const cycle = id === undefined ? null : await findCycle(ctx.db, id);
      if (!cycle) throw new UsageError(['the cycle is not there any more']);
      say(cycle);
      if (cycle.finishedAt) {
        if (cycle.state !== 'passed') terminal.exitCode = 1;
        return;
      }
      let pauseMs = Math.min(TICK_MS, Math.max(20, cycle.dueMs ?? 0));
      if (work && (cycle.dueMs ?? 0) <= 0)
        await moveCycle(work, cycle).catch((error) => {
          const { message } = sanitize(error);
          if (message !== failed) print(`  later: ${message}`);
          failed = message;
          // What failed is still due: it would be tried again at once.
          pauseMs = TICK_MS;
        });
      await sleep(pauseMs);
    }
  } finally {
    await opened?.close();
    await senders.close();
  }
}

/** Prints what is new about a cycle. */
function sayer(ctx: Context, print: (words: string) => void): (cycle: Cycle) => void {
  const said = new Set<string>();
  const once = (words: string) => {
    if (!said.has(words)) print(words);
    said.add(words);
  };
  return (cycle) => {
    for (const words of wordsOf(ctx, cycle)) once(words);
  };
}

function wordsOf({ catalog, declared }: Context, cycle: Cycle): string[] {
  const { planted } = cycle;
  const counts = planted && Object.entries(planted).map(([location, n]) => `${location} ${n}`);
  const without = catalog.locations.filter(({ name }) => !planted?.[name]).map(({ name }) => name);
  const wait = duration(declared.canary?.wait ?? 0);
  return [
    `Test data ${cycle.id}`,
    ...(cycle.accountKey === null ? [] : [`planted: the account ${cycle.accountKey}`]),
    ...(cycle.plantedAt === null || cycle.requestedAt !== null ? [] : [`waiting ${wait} until it is asked for`]),
    ...(counts === null || cycle.requestedAt === null
      ? []
      : [`there before it is erased: ${counts.join(', ') || '–'}`]),
    ...(counts && cycle.requestedAt && without.length > 0 ? [`nothing is planted: ${without.join(', ')}`] : []),
    ...(cycle.erasureId === null ? [] : [`asked for: erasure ${cycle.erasureId}`]),
    ...(cycle.lastWords === null ? [] : [`  not yet: ${cycle.lastWords}`]),
    ...(cycle.finishedAt === null ? [] : (cycle.findings ?? []).map((f) => `FOUND ${f.location}: ${f.words}`)),
    ...(cycle.state === 'passed' ? ['Passed: all of it is gone.'] : cycle.state === 'failed' ? ['Failed.'] : []),
  ];
}

/** The account of a cycle that failed before it was asked for; null: none. */
const leftOf = ({ state, accountKey, erasureId }: Cycle): string | null =>
  state === 'failed' && erasureId === null ? accountKey : null;

async function status(ctx: Context, terminal: Terminal, options: { json?: true }): Promise<void> {
  const cycles = await listCycles(ctx.db, SHOWN);
  if (cycles.find(({ finishedAt }) => finishedAt !== null)?.state === 'failed') terminal.exitCode = 1;
  if (options.json) {
    const shown = cycles.map(({ id, state, erasureId, planted, findings, createdAt, finishedAt, lastWords }) => {
      const times = { createdAt: createdAt.toISOString(), finishedAt: finishedAt?.toISOString() ?? null };
      return { id, state, erasureId, planted, findings, ...times, lastWords };
    });
    terminal.out.write(`${json({ cycles: shown }, 2)}\n`);
    return;
  }
  const paint = painter(terminal.out);
  const colour = { passed: 'green', failed: 'red' } as const;
  const lines = cycles.flatMap((cycle) => [
    `${time(cycle.createdAt)}  ${paint(colour[cycle.state as 'passed'] ?? 'yellow', cycle.state)}  ${cycle.erasureId ?? 'no erasure'}`,
    ...(cycle.findings ?? []).map(({ location, words }) => `  ${printable(location)}: ${printable(words)}`),
    ...(leftOf(cycle) ? [`  left: the account ${leftOf(cycle)}; the next cycle of a worker asks for its erasure`] : []),
    ...(cycle.lastWords ? [`  not yet: ${printable(cycle.lastWords)}`] : []),
  ]);
  terminal.out.write(`${lines.join('\n') || 'No test data was planted.'}\n`);
}
