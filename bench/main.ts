import { writeFileSync } from 'node:fs';
import { Command, InvalidArgumentError } from 'commander';
import { writeCharts } from './charts.ts';
import { CONTENDERS } from './contenders.ts';
import { PARTS, planOf } from './plan.ts';
import { profile } from './profile.ts';
import { render } from './report.ts';
import { run } from './run.ts';

const wholeNumber = (text: string): number => {
  const n = Number(text);
  if (!Number.isInteger(n) || n < 1) throw new InvalidArgumentError('expected a whole number from 1');
  return n;
};

const partNames = (text: string): string[] => {
  const names = text.split(',');
  const unknown = names.filter((name) => !PARTS.includes(name));
  if (unknown.length > 0) throw new InvalidArgumentError(`there is no part ${unknown.join(', ')}`);
  return names;
};

const program = new Command('npm run bench --')
  .description(
    'Measures Lethe beside what applications do today, on servers of its own, while the application goes on.',
  )
  .option('--quick', '100 thousand posts, two repeats: under five minutes', false)
  .option('--large', 'also 10 million posts', false)
  .option('--check', 'exit 1 when a bar is missed, and name it', false)
  .option('--json <file>', 'write the result')
  .option('--charts <folder>', 'write speed.svg and latency.svg')
  .option('--partners', 'instead: the calls to partners alone', false)
  .option('--watching', 'instead: what watches the pipeline alone', false)
  .option('--parts <names>', `instead: these parts alone, comma-separated: ${PARTS.join(', ')}`, partNames)
  .option('--profile [folder]', "instead: where a deletion's time goes, and flame graphs into the folder")
  .option('--only <names>', `comma-separated: ${CONTENDERS.map((c) => c.name).join(', ')}`)
  .option('--repeats <n>', 'how often each contender runs', wholeNumber)
  .option('--posts <n>', 'one victim of this size', wholeNumber)
  .option('--bystanders <n>', 'posts of the other accounts', wholeNumber)
  .exitOverride();

type Given = Parameters<typeof planOf>[0] & {
  check: boolean;
  profile?: string | true;
  json?: string;
  charts?: string;
  only?: string;
};

function chosen(only: string | undefined) {
  if (only === undefined) return CONTENDERS;
  const names = only.split(',');
  const unknown = names.filter((name) => !CONTENDERS.some((c) => c.name === name));
  if (unknown.length > 0) throw new InvalidArgumentError(`--only: there is no contender ${unknown.join(', ')}`);
  return CONTENDERS.filter((c) => names.includes(c.name));
}

let given: Given;
let contenders: typeof CONTENDERS;
try {
  given = program.parse().opts<Given>();
  contenders = chosen(given.only);
} catch (error) {
  const { exitCode, message, code } = error as { exitCode?: number; message: string; code?: string };
  if (exitCode !== 0 && code === 'commander.invalidArgument' && !message.startsWith('error:'))
    process.stderr.write(`${message}\n`);
  process.exit(exitCode === 0 ? 0 : 2);
}
const say = (line: string) => void process.stderr.write(`bench: ${line}\n`);
try {
  if (given.profile !== undefined) {
    await profile(given.profile === true ? undefined : given.profile, say);
    process.exit(0);
  }
  const result = await run(planOf(given), contenders, say);
  console.log(render(result));
  if (given.json !== undefined) writeFileSync(given.json, `${JSON.stringify(result, null, 2)}\n`);
  if (given.charts !== undefined) writeCharts(result, given.charts);
  const missed = result.bars.filter((bar) => !bar.holds);
  if (given.check && missed.length > 0) {
    for (const { name, value, limit } of missed)
      process.stderr.write(`bench: missed: ${name}: ${value.toFixed(2)}, limit ${limit}\n`);
    process.exit(1);
  }
  process.exit(result.failed.length > 0 ? 1 : 0);
} catch (error) {
  process.stderr.write(`lethe: the benchmark failed: ${(error as Error).message}\n`);
  process.exit(1);
}
