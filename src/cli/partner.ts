import { Command, InvalidArgumentError } from 'commander';
import { loadConfig } from '../config.ts';
import { UsageError } from '../errors.ts';
import { CHECKS, type Line } from '../partners/contract/line.ts';
import { keysOf, problemsOf, type Target } from '../partners/contract/target.ts';
import { testPartner } from '../partners/contract/test-partner.ts';
import { duration } from '../settings/values.ts';
import { json, painter, printable, type Terminal } from './shell/terminal.ts';

type Options = {
  secret: string;
  account: string[];
  column: string[];
  canary?: string;
  timeout: number;
  within: number;
  acknowledgeAt?: string;
  json?: true;
};

const span = (least: number, most: number) => (text: string) => {
  const read = duration(least, most).safeParse(text);
  if (!read.success) throw new InvalidArgumentError(read.error.issues[0]?.message as string);
  return read.data;
};
const collect = (value: string, all: string[] | undefined) => [...(all ?? []), value];

export const partnerCommand = (terminal: Terminal) =>
  new Command('partner').description('test a service against the contract of partners').addCommand(
    new Command('test')
      .description('send messages to an endpoint, and say line by line whether it keeps the contract')
      .argument('<url>', 'where it takes messages; its host may be private')
      .requiredOption('--secret <variable>', 'the variable that has the secret, as NAME or NAME_FILE')
      .option('--account <key>', 'a key that no account has; again for each part of a key', collect)
      .option('--column <name>', "the key's column; again for each part (default: id)", collect)
      .option('--canary <url>', 'where it plants test data: some is planted, erased and looked for')
      .option('--timeout <duration>', 'for each answer', span(100, 300_000), 10_000)
      .option(
        '--within <duration>',
        'until an acknowledgement, and until test data is gone',
        span(100, 600_000),
        30_000,
      )
      .option('--acknowledge-at <url>', 'where the service reaches this command, where it runs elsewhere')
      .option('--json', 'one JSON document on standard output')
      .addHelpText(
        'after',
        '\nNeeds no configuration, database or Redis. Messages are about accounts that nobody has.\n' +
          'Exit codes: 0 it keeps the contract, 1 it does not, 2 wrong usage.\n' +
          'Example: lethe partner test http://localhost:8080/erasures --secret SEARCH_SECRET',
      )
      .action((url: string, options: Options) => test(terminal, url, options)),
  );

async function test(terminal: Terminal, url: string, options: Options): Promise<void> {
  const { variable } = loadConfig('partner', terminal.env);
  const { secret: secretName, canary, acknowledgeAt } = options;
  const { account: accounts = [], column: columns = ['id'] } = options as Partial<Options>;
  const problems = problemsOf({ url, canary, acknowledgeAt, secretName, accounts, columns }, variable);
  if (problems.length > 0) throw new UsageError(problems);
  const target: Target = {
    url,
    canary,
    secret: variable(secretName) as string,
    secretName,
    ...keysOf({ accounts, columns }),
    timeoutMs: options.timeout,
    withinMs: options.within,
    acknowledgeAt,
  };
  const paint = painter(terminal.out);
  const lines: Line[] = [];
  for await (const line of testPartner(target, new AbortController().signal)) {
    lines.push(line);
    if (!options.json) terminal.out.write(describe(line, paint));
  }
  const count = lines.filter(({ result }) => result === 'failed').length;
  if (count > 0) terminal.exitCode = 1;
  if (options.json) {
    const written = lines.map(({ check, ...rest }) => ({ check, what: CHECKS[check], ...rest }));
    terminal.out.write(`${json({ ok: count === 0, checks: written }, 2)}\n`);
  } else
    terminal.out.write(
      count === 0 ? 'It keeps the contract.\n' : `It breaks the contract in ${count} of ${lines.length} lines.\n`,
    );
}

function describe({ check, result, expected, came, todo }: Line, paint: ReturnType<typeof painter>): string {
  const head = { ok: paint('green', 'ok    '), failed: paint('red', 'FAILED'), skipped: paint('grey', '-     ') }[
    result
  ];
  if (result !== 'failed') return `${head}  ${CHECKS[check]} (${printable(came)})\n`;
  const more = [
    ['expected', expected],
    ['came', came],
    ['to do', todo],
  ].map(([name, text]) => `        ${`${name}:`.padEnd(10)}${printable(text as string)}\n`);
  return `${head}  ${CHECKS[check]}\n${more.join('')}`;
}
