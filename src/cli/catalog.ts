import { Command } from 'commander';
import { checkServer, inspectCatalog, ownProblems } from '../catalog/check.ts';
import { catalogSchema } from '../catalog/language.ts';
import type { Declaration } from '../catalog/live/declared.ts';
import { readCatalogFile } from '../catalog/load.ts';
import { loadConfig } from '../config.ts';
import { UsageError } from '../errors.ts';
import { type Covered, findGaps } from '../locations/table/cover.ts';
import { connect, type Database } from '../store/client.ts';
import { answers } from './shell/open.ts';
import { json, painter, printable, type Terminal } from './shell/terminal.ts';

/** `ok`: the catalog fits the database, and every table with an account's data is in it. */
type Report = Covered & { ok: boolean };

export const catalogCommand = (terminal: Terminal) =>
  new Command('catalog')
    .description('check the catalog against the database, or print its JSON Schema')
    .addCommand(
      new Command('check')
        .description("find what does not fit, and tables with accounts' data that are not covered")
        .option('--json', 'one JSON document on standard output')
        .addHelpText(
          'after',
          '\nNeeds DATABASE_URL and LETHE_CATALOG only: run it where the application is tested.\n' +
            'Exit codes: 0 covered, 1 not covered or it does not fit, 2 the catalog cannot be read.\n' +
            'Example: LETHE_CATALOG=catalog.yaml lethe catalog check',
        )
        .action((options: { json?: true }) => check(terminal, options)),
    )
    .addCommand(
      new Command('schema')
        .description('print a JSON Schema of the catalog file, for editors')
        .option('--json', 'the same: it is JSON')
        .addHelpText(
          'after',
          '\nExample: lethe catalog schema > catalog.schema.json, and in the catalog\n' +
            '         # yaml-language-server: $schema=catalog.schema.json',
        )
        .action(() => {
          terminal.out.write(`${json(catalogSchema(), 2)}\n`);
        }),
    );

async function check(terminal: Terminal, options: { json?: true }): Promise<void> {
  const config = loadConfig('catalog', terminal.env);
  const { declared, problems } = readCatalogFile(config.LETHE_CATALOG);
  if (!declared) throw new UsageError(problems);
  const connection = connect(config.DATABASE_URL, { max: 1, applicationName: 'lethe-catalog' });
  try {
    await answers(connection.db);
    const server = await checkServer(connection.db);
    if (server) throw new UsageError([server]);
    const report = await checkCoverage(connection.db, declared);
    if (problems.length > 0)
      throw new UsageError([...problems, ...report.errors, ...report.uncovered.map((f) => f.text)]);
    if (!report.ok) terminal.exitCode = 1;
    if (options.json) terminal.out.write(`${json(report, 2)}\n`);
    else terminal.out.write(`${describe(report, terminal).join('\n')}\n`);
  } finally {
    await connection.close();
  }
}

async function checkCoverage(db: Database, declared: Declaration): Promise<Report> {
  const covered = await findGaps(db, declared, await inspectCatalog(db, declared));
  const errors = [...(await ownProblems(db)), ...covered.errors];
  return { ok: errors.length === 0 && covered.uncovered.length === 0, ...covered, errors };
}

function describe({ ok, errors, uncovered, warnings, possible, tables }: Report, terminal: Terminal): string[] {
  const paint = painter(terminal.out);
  const count = (n: number, what: string) => `${n} ${what}${n === 1 ? '' : 's'}`;
  const tablesFound = new Set(uncovered.map((f) => f.table)).size;
  return [
    ...errors.map((text) => `${paint('red', 'error:')} ${printable(text)}`),
    ...uncovered.map(({ text }) => `${paint('red', 'not covered:')} ${printable(text)}`),
    ...warnings.map((text) => `${paint('yellow', 'warning:')} ${printable(text)}`),
    ...possible.map((text) => `${paint('grey', 'possible:')} ${printable(text)}`),
    ok
      ? paint('green', `The catalog covers the database: ${count(tables, 'table')} looked at.`)
      : `The catalog does not cover the database: ${count(errors.length, 'error')}, ${count(tablesFound, 'table')} not covered.`,
  ];
}
