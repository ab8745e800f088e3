import { Command } from 'commander';
import { checkPlant, type PlantCheck } from '../canary/check-plant.ts';
import { checkServer, inspectCatalog, ownProblems } from '../catalog/check.ts';
import { describePartners, type PartnerWords } from '../catalog/describe-partners.ts';
import { catalogSchema } from '../catalog/language.ts';
import type { Declaration } from '../catalog/live/declared.ts';
import type { Catalog } from '../catalog/live/types.ts';
import { readCatalogFile } from '../catalog/load.ts';
import { type Config, loadConfig } from '../config.ts';
import { findUnaskable, findUnplanted } from '../erasure/calls/senders.ts';
import { findUntellable } from '../erasure/watch/problems.ts';
import { UsageError } from '../errors.ts';
import { KINDS } from '../locations/kinds/registry.ts';
import { type Covered, findGaps } from '../locations/table/cover.ts';
import { connect, type Database } from '../store/client.ts';
import { answers } from './shell/open.ts';
import { json, painter, printable, type Terminal } from './shell/terminal.ts';

/** `ok`: the catalog fits the database, and every table with an account's data is in it. */
type Report = Covered & { ok: boolean; partners: PartnerWords[] };

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
    const report = await checkCoverage(connection.db, declared, config);
    if (problems.length > 0)
      throw new UsageError([...problems, ...report.errors, ...report.uncovered.map((f) => f.text)]);
    if (!report.ok) terminal.exitCode = 1;
    if (options.json) terminal.out.write(`${json(report, 2)}\n`);
    else terminal.out.write(`${describe(report, terminal).join('\n')}\n`);
  } finally {
    await connection.close();
  }
}

type Environment = Pick<Config, 'variable' | 'LETHE_PRIVATE_HOSTS' | 'LETHE_CANARY_DATABASE_URL'>;

async function checkCoverage(db: Database, declared: Declaration, environment: Environment): Promise<Report> {
  const resolution = await inspectCatalog(db, declared);
  const covered = await findGaps(db, declared, resolution);
  const { catalog } = resolution;
  const planted = catalog ? await checkPlanting(db, catalog, declared, environment) : undefined;
  const errors = [...(await ownProblems(db)), ...covered.errors, ...(planted?.errors ?? [])];
  // Where it is checked need not be where the secrets are.
  const tools = { variable: environment.variable, privateHosts: environment.LETHE_PRIVATE_HOSTS };
  const unaskable = catalog ? findUnaskable({ catalog, kinds: KINDS }, tools) : [];
  const untellable = findUntellable(declared.owners ?? [], tools);
  return {
    ok: errors.length === 0 && covered.uncovered.length === 0,
    ...covered,
    errors,
    warnings: [...covered.warnings, ...unaskable, ...untellable, ...(planted?.warnings ?? [])],
    possible: [...covered.possible, ...(catalog && declared.canary ? findUnplanted({ catalog, kinds: KINDS }) : [])],
    partners: catalog ? describePartners(catalog, KINDS) : [],
  };
}

/** Test data is planted by a role that may be another one. */
async function checkPlanting(
  db: Database,
  catalog: Catalog,
  { canary }: Declaration,
  { LETHE_CANARY_DATABASE_URL: url }: Environment,
): Promise<PlantCheck | undefined> {
  if (!canary) return undefined;
  const planter = url ? connect(url, { max: 1, applicationName: 'lethe-catalog' }) : undefined;
  try {
    if (planter) await answers(planter.db);
    return await checkPlant(planter?.db ?? db, catalog, canary);
  } finally {
    await planter?.close();
  }
}

const partnerLine = ({ name, by, at, early, told }: PartnerWords): string =>
  `${name}: asked by ${by}${at === null ? '' : ` (${at})`} ${early ? 'before anything is deleted' : 'when the account is gone'}; told ${["the account's key", ...told].join(', ')}`;

function describe(
  { ok, errors, uncovered, warnings, possible, tables, partners }: Report,
  terminal: Terminal,
): string[] {
  const paint = painter(terminal.out);
  const count = (n: number, what: string) => `${n} ${what}${n === 1 ? '' : 's'}`;
  const tablesFound = new Set(uncovered.map((f) => f.table)).size;
  return [
    ...errors.map((text) => `${paint('red', 'error:')} ${printable(text)}`),
    ...uncovered.map(({ text }) => `${paint('red', 'not covered:')} ${printable(text)}`),
    ...warnings.map((text) => `${paint('yellow', 'warning:')} ${printable(text)}`),
    ...partners.map((partner) => `${paint('grey', 'partner:')} ${printable(partnerLine(partner))}`),
    ...possible.map((text) => `${paint('grey', 'possible:')} ${printable(text)}`),
    ok
      ? paint('green', `The catalog covers the database: ${count(tables, 'table')} looked at.`)
      : `The catalog does not cover the database: ${count(errors.length, 'error')}, ${count(tablesFound, 'table')} not covered.`,
  ];
}
