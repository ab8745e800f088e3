import { Command } from 'commander';
import { loadConfig } from '../config.ts';
import { buildDay } from '../dataset/build-day.ts';
import { type Day, dayOf, endOf, parseDay } from '../dataset/days.ts';
import type { Destination } from '../dataset/destination.ts';
import type { Manifest } from '../dataset/manifest.ts';
import { destinationProblems, openDestination } from '../dataset/open.ts';
import { listPartitions, type Partition, readStanding } from '../dataset/partitions.ts';
import { UsageError } from '../errors.ts';
import { readClock } from '../store/clock.ts';
import { number, table, time } from './shell/format.ts';
import { type Session, withSession } from './shell/open.ts';
import { json, painter, printable, type Terminal } from './shell/terminal.ts';

export const datasetCommand = (terminal: Terminal) =>
  new Command('dataset')
    .description('write erasures as files for systems that no call reaches, and see which days are there')
    .addCommand(
      new Command('build')
        .description('write one day that has ended: again, it writes the same')
        .requiredOption('--date <day>', 'a UTC date: 2026-11-27')
        .option('--json', 'the manifest on standard output')
        .addHelpText('after', '\nWorkers do it daily by themselves.\nExample: lethe dataset build --date 2026-11-27')
        .action(({ date, json: asJson }: { date: string; json?: true }) =>
          withSession(terminal, (session) => build(session, readDate(date), terminal, asJson === true), 'plan'),
        ),
    )
    .addCommand(
      new Command('status')
        .description('show the days that were written, and those that are missing')
        .option('--json', 'one JSON document on standard output')
        .addHelpText('after', '\nExit codes: 0 no day is missing, 1 one is.')
        .action(({ json: asJson }: { json?: true }) =>
          withSession(terminal, (session) => status(session, terminal, asJson === true), 'plan'),
        ),
    );

function readDate(text: string): Day {
  const day = parseDay(text);
  if (day === null) throw new UsageError([`--date ${text}: expected a date such as 2026-11-27`]);
  return day;
}

async function build({ ctx }: Session, day: Day, terminal: Terminal, asJson: boolean): Promise<void> {
  const destination = destinationOf(ctx, terminal);
  const now = await readClock(ctx.db);
  if (endOf(day) > now.getTime())
    throw new UsageError([
      `--date ${day}: it has not ended; by the database's clock it is ${now.toISOString().slice(0, 16)}Z. The newest day that can be built is ${dayOf(now.getTime() - 86_400_000)}`,
    ]);
  try {
    const { db, settings, log } = ctx;
    const { manifest, changed } = await buildDay({ db, settings, destination, log }, day, now);
    terminal.out.write(
      asJson ? `${json(manifest, 2)}\n` : `${printable(builtWords(manifest, changed, destination.words))}\n`,
    );
  } finally {
    await destination.close();
  }
}

function destinationOf({ declared: { dataset } }: Session['ctx'], terminal: Terminal): Destination {
  if (!dataset)
    throw new UsageError([
      'the catalog has no dataset: say where it goes, as in dataset: { owner: warehouse, folder: /exports }',
    ]);
  const { variable, LETHE_PRIVATE_HOSTS: privateHosts } = loadConfig('plan', terminal.env);
  const problems = destinationProblems(dataset, { variable, privateHosts });
  if (problems.length > 0) throw new UsageError(problems);
  return openDestination(dataset, { variable, privateHosts });
}

const rowsOf = (rows: number) => `${number(rows)} ${rows === 1 ? 'erasure' : 'erasures'}`;

function builtWords({ date, rows, revision, restates, keys }: Manifest, changed: boolean, where: string): string {
  const what = `${date}: ${rowsOf(rows)} in ${where}, revision ${revision}${keys ? '' : ', without keys'}`;
  if (!changed) return `${what}; nothing has changed.`;
  return restates ? `${what}; it replaces revision ${restates.revision}: ${restates.words}.` : `${what}.`;
}

async function status({ ctx }: Session, terminal: Terminal, asJson: boolean): Promise<void> {
  if (!ctx.declared.dataset) throw new UsageError(['the catalog has no dataset']);
  const { missing, completeUntil } = await readStanding(ctx.db, ctx.settings);
  const partitions = await listPartitions(ctx.db);
  if (missing.length > 0) terminal.exitCode = 1;
  terminal.out.write(
    asJson
      ? `${json({ completeUntil, missing, partitions }, 2)}\n`
      : `${statusWords(partitions, missing, completeUntil, terminal).join('\n')}\n`,
  );
}

function statusWords(partitions: Partition[], missing: readonly Day[], until: Date, terminal: Terminal): string[] {
  const paint = painter(terminal.out);
  const rows = partitions.map(({ day, revision, rows, keys, whole, builtAt }) => [
    day,
    number(rows),
    String(revision),
    keys ? 'yes' : 'no',
    time(builtAt),
    whole ? '' : 'to be written again',
  ]);
  const titles = [
    { title: 'day' },
    { title: 'erasures', right: true },
    { title: 'revision', right: true },
    { title: 'keys' },
    { title: 'written' },
    { title: '' },
  ];
  return [
    ...(partitions.length > 0 ? table(titles, rows) : ['No day was written yet.']),
    '',
    missing.length === 0
      ? paint('green', `No day is missing. It is complete until ${time(until)}.`)
      : paint('red', `Missing: ${missing.join(', ')}. It is complete until ${time(until)}.`),
  ];
}
