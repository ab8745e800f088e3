import { writeFileSync } from 'node:fs';
import { Command, InvalidArgumentError } from 'commander';
import { writeChart } from './chart.ts';
import { render } from './report.ts';
import { run } from './run.ts';

const minutesOf = (text: string): number => {
  const n = Number(text);
  if (!(n >= 0.5 && n <= 10_080)) throw new InvalidArgumentError('expected minutes from 0.5 to 10080');
  return n;
};

const program = new Command('npm run soak --')
  .description('Erases accounts of all sizes for a while, with faults every few seconds, and looks for what grows.')
  .option('--minutes <n>', 'how long', minutesOf, 20)
  .option('--json <file>', 'write the result, with every sample')
  .option('--chart <file>', 'draw it as SVG')
  .allowExcessArguments(false)
  .exitOverride();

type Given = { minutes: number; json?: string; chart?: string };

let given: Given;
try {
  given = program.parse().opts<Given>();
} catch (error) {
  process.exit((error as { exitCode?: number }).exitCode === 0 ? 0 : 2);
}
const say = (line: string) => void process.stderr.write(`soak: ${line}\n`);
try {
  const result = await run(given.minutes, say);
  console.log(render(result));
  if (given.json !== undefined) writeFileSync(given.json, `${JSON.stringify(result)}\n`);
  if (given.chart !== undefined) writeChart(result, given.chart);
  process.exit(result.failures.length > 0 ? 1 : 0);
} catch (error) {
  process.stderr.write(`lethe: the soak failed: ${(error as Error).message}\n`);
  process.exit(1);
}
