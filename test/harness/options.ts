import { Command, InvalidArgumentError } from 'commander';
import { FAULTS } from './faults.ts';

/** What a run of the harness is asked to do. Seeds that are not given are drawn. */
export type Options = { minutes: number; runs: number; seeds: readonly number[]; only: readonly string[] };

const MOST_SEED = 2 ** 31 - 1;
export const newSeed = () => 1 + Math.floor(Math.random() * (MOST_SEED - 1));

const seed = (text: string): number => {
  const n = Number(text);
  if (!Number.isInteger(n) || n < 0 || n > MOST_SEED)
    throw new InvalidArgumentError(`expected a whole number from 0 to ${MOST_SEED}.`);
  return n;
};
const positive = (text: string): number => {
  const n = Number(text);
  if (!(n > 0)) throw new InvalidArgumentError('expected a number above 0.');
  return n;
};
const whole = (text: string): number => {
  if (!Number.isInteger(positive(text))) throw new InvalidArgumentError('expected a whole number.');
  return Number(text);
};
const list = (text: string) => text.split(',').map((part) => (part === 'new' ? newSeed() : seed(part)));

const faults = (text: string): string[] => {
  const names = text.split(',');
  const unknown = names.filter((name) => !FAULTS.some((fault) => fault.name === name));
  if (unknown.length > 0) throw new InvalidArgumentError(`there is no fault ${unknown.join(', ')}.`);
  return names;
};

/** Reads the command line. Throws commander's error, whose message is one line. */
export function readOptions(argv: readonly string[]): Options {
  const program = new Command('npm run test:fault --')
    .description(
      'Erases accounts with real processes while faults happen that a seed decides, and checks everything after each run.',
    )
    .option('--minutes <n>', 'begin new runs for so long; without it and --runs: 2', positive)
    .option('--runs <n>', 'at most so many runs', whole)
    .option('--seed <s>', 'the first run has this seed, the next ones the numbers that follow', seed)
    .option('--seeds <list>', 'a run for each of these, comma-separated; new: one that is drawn', list)
    .option('--only <faults>', 'draw from these faults only, comma-separated', faults)
    .showSuggestionAfterError(false)
    .exitOverride();
  const given = program.parse(argv as string[], { from: 'user' }).opts<{
    minutes?: number;
    runs?: number;
    seed?: number;
    seeds?: number[];
    only?: string[];
  }>();
  if (given.seed !== undefined && given.seeds)
    program.error("error: options '--seed' and '--seeds' exclude one another");
  const first = given.seed ?? newSeed();
  const runs = given.runs ?? Number.POSITIVE_INFINITY;
  const endless = given.runs === undefined && !given.seeds;
  return {
    minutes: given.minutes ?? (endless ? 2 : Number.POSITIVE_INFINITY),
    runs: given.seeds ? Math.min(runs, given.seeds.length) : runs,
    seeds: given.seeds ?? [first],
    only: given.only ?? [],
  };
}

/** The seed of the n-th run, from 0. */
export function seedOf({ seeds }: Options, n: number): number {
  return seeds[n] ?? ((seeds[0] as number) + n) % MOST_SEED;
}
