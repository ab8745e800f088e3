import { readFileSync } from 'node:fs';
import { Command, InvalidArgumentError } from 'commander';
import { type Copy, copyProject, mutatedTexts } from './copy.ts';
import { type Mutation, StaleMutation } from './mutation.ts';
import { MUTATIONS } from './mutations.ts';
import { type Outcome, runTests } from './run-tests.ts';

/** All test files together, which must pass before anything is mutated. */
const BASELINE_MS = 15 * 60_000;
/** One test file with one mutation. A mutant that hangs is noticed by whoever waits for the tests. */
const LIMIT_MS = 4 * 60_000;

const program = new Command('npm run test:mutations --')
  .description('Makes mistakes in a copy of the source, one at a time, and reports which test notices each.')
  .option('--only <names>', 'comma-separated names of mutations')
  .option('--list', 'print the mutations and what each breaks', false)
  .showSuggestionAfterError(false)
  .exitOverride();

function chosen(only: string | undefined): readonly Mutation[] {
  if (only === undefined) return MUTATIONS;
  const names = only.split(',');
  const unknown = names.filter((name) => !MUTATIONS.some((m) => m.name === name));
  if (unknown.length > 0)
    throw new InvalidArgumentError(`--only: there is no mutation ${unknown.join(', ')}; --list names them`);
  return MUTATIONS.filter((m) => names.includes(m.name));
}

/** Every stale one at once: the source has moved on, and what they stand for would go untested. */
function findStale(mutations: readonly Mutation[]): string[] {
  return mutations.flatMap((mutation) => {
    try {
      mutatedTexts(mutation, (file) => readFileSync(file, 'utf8'));
      return [];
    } catch (error) {
      if (error instanceof StaleMutation) return [`${mutation.name} is stale: ${error.message}`];
      throw error;
    }
  });
}

const words = (outcome: Outcome): string => {
  if (outcome.kind === 'failed') return outcome.test;
  if (outcome.kind === 'timeout') return `the tests did not end within ${LIMIT_MS / 1000} s`;
  return outcome.kind === 'passed' ? 'the tests pass' : `no test failed, and yet: ${outcome.why}`;
};

/** What its test files say, one after the other until one notices. */
async function attempt(copy: Copy, mutation: Mutation): Promise<Outcome> {
  let outcome: Outcome = { kind: 'passed' };
  for (const file of mutation.tests) {
    outcome = await runTests(copy.folder, [file], LIMIT_MS);
    if (outcome.kind !== 'passed') break;
  }
  return outcome;
}

async function main(mutations: readonly Mutation[]): Promise<number> {
  const stale = findStale(mutations);
  if (stale.length > 0) {
    for (const line of stale) process.stderr.write(`mutations: ${line}\n`);
    return 1;
  }
  const copy = copyProject();
  try {
    const files = [...new Set(mutations.flatMap((m) => m.tests))];
    process.stderr.write(`mutations: ${files.length} test files without any mutation first\n`);
    const baseline = await runTests(copy.folder, files, BASELINE_MS);
    if (baseline.kind !== 'passed') {
      process.stderr.write(`mutations: the tests must pass without any mutation: ${words(baseline)}\n`);
      return 1;
    }
    let caught = 0;
    for (const mutation of mutations) {
      const begun = performance.now();
      const outcome = await copy.mutated(mutation, () => attempt(copy, mutation));
      const noticed = outcome.kind === 'failed' || outcome.kind === 'timeout';
      if (noticed) caught += 1;
      const seconds = ((performance.now() - begun) / 1000).toFixed(0);
      console.log(`${noticed ? 'caught' : 'MISSED'}  ${mutation.name}  (${seconds} s)\n        ${words(outcome)}`);
      if (!noticed) console.log(`        it breaks: ${mutation.breaks}`);
    }
    console.log(`${mutations.length} mutations, ${caught} caught`);
    return caught === mutations.length ? 0 : 1;
  } finally {
    copy.remove();
  }
}

let mutations: readonly Mutation[];
try {
  const given = program.parse().opts<{ only?: string; list: boolean }>();
  mutations = chosen(given.only);
  if (given.list) {
    for (const { name, breaks } of mutations) console.log(`${name}: ${breaks}`);
    process.exit(0);
  }
} catch (error) {
  const { exitCode, message } = error as { exitCode?: number; message: string };
  if (exitCode !== 0 && !message.startsWith('error:')) process.stderr.write(`${message}\n`);
  process.exit(exitCode === 0 ? 0 : 2);
}
try {
  process.exit(await main(mutations));
} catch (error) {
  process.stderr.write(`lethe: the mutations failed: ${(error as Error).message}\n`);
  process.exit(1);
}
