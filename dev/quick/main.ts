import { execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { type Candidate, select, usesOf } from './select.ts';

/** Seconds of integration tests, summed over the files as a whole run of three at once has measured them. */
const BUDGET = { budget: 30, longest: 15 };
const DURATIONS = 'dev/quick/durations.json';
const TESTS = /^test\/(integration|kinds)\/.*\.test\.ts$/;
const VITEST = 'node_modules/vitest/vitest.mjs';
const SINCE_LAST = 'node_modules/.cache/lethe-types.tsbuildinfo';

const git = (...args: string[]) =>
  execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    .split('\n')
    .filter(Boolean);

/** What is committed since the branch left main; nothing where git knows no main. */
function committed(): string[] {
  for (const main of ['origin/main', 'main'])
    try {
      return git('diff', '--name-only', '--merge-base', main);
    } catch {}
  return git('diff', '--name-only', 'HEAD');
}

const changedFiles = () => [...new Set([...committed(), ...git('ls-files', '--others', '--exclude-standard')])];

const readable = (file: string) => {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
};

function choose(changed: readonly string[]) {
  const files = [...new Set([...git('ls-files'), ...changed])];
  const uses = usesOf(new Map(files.map((file) => [file, /\.(ts|mjs)$/.test(file) ? readable(file) : ''])));
  const durations = JSON.parse(readFileSync(DURATIONS, 'utf8')) as Record<string, number>;
  const tests = files.filter((file) => TESTS.test(file) && readable(file) !== '');
  return select({ tests, changed, uses, durations, ...BUDGET });
}

const words = ({ file, distance, changed, seconds }: Candidate) =>
  `  ${file} (${seconds} s)${distance === 0 ? ', which changed' : `, ${distance} from ${changed}`}`;

const name = ({ file, seconds }: Candidate) =>
  `${file.replace(/^test\/integration\/|\.test\.ts$/g, '')} (${seconds} s)`;

function describe({ chosen, leftOut }: ReturnType<typeof choose>): string {
  const all = chosen.length + leftOut.length;
  const lines = [`${chosen.length} of the ${all} integration files that reach what changed:`, ...chosen.map(words)];
  const rest = `left out to stay under a minute, npm test runs them: ${leftOut.map(name).join(', ')}`;
  return `${[...lines, ...(leftOut.length > 0 ? [rest] : [])].join('\n')}\n`;
}

/** Runs a step and gives what it prints back at its end, or shows it at once. True: it passed. */
function step(name: string, args: string[], shown: boolean): Promise<boolean> {
  const began = Date.now();
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', shown ? 'inherit' : 'pipe', shown ? 'inherit' : 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (part) => (output += part));
    child.on('close', (code) => {
      const passed = code === 0;
      const seconds = ((Date.now() - began) / 1000).toFixed(0);
      process.stdout.write(`${passed ? '' : output}${name}: ${passed ? 'passed' : 'FAILED'} in ${seconds} s\n`);
      resolve(passed);
    });
  });
}

const lint = () =>
  step('lint', ['node_modules/@biomejs/biome/bin/biome', 'ci', '--error-on-warnings', '--colors=off', '.'], false);
const types = () =>
  step(
    'types',
    ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json', '--incremental', '--tsBuildInfoFile', SINCE_LAST],
    false,
  );
// One process for many files, each of which is small.
const unit = () => step('unit tests', [VITEST, 'run', '--no-isolate', '--reporter=dot', 'test/unit/'], true);
const integration = (files: string[]) =>
  step('integration tests', [VITEST, 'run', '--reporter=default', ...files], true);

const program = new Command('npm run test:quick --')
  .description('Lint, types, unit tests, and the integration tests nearest to what changed, in under a minute.')
  .option('--list', 'print which integration tests it would run', false)
  .showSuggestionAfterError(false)
  .parse();

const choice = choose(changedFiles());
process.stdout.write(describe(choice));
if (!program.opts<{ list: boolean }>().list) {
  const files = choice.chosen.map(({ file }) => file);
  const passed = await Promise.all([lint().then(async (clean) => (await types()) && clean), unit()]);
  if (files.length > 0) passed.push(await integration(files));
  if (passed.includes(false)) process.exitCode = 1;
}
