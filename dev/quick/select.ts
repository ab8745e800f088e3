import { posix } from 'node:path';

/** What a test file uses, by path from the root: imports, and files that it names. */
export type Uses = ReadonlyMap<string, readonly string[]>;

export type Candidate = {
  file: string;
  /** Steps from the test file to the nearest changed one: 0 is the test file itself, 1 what it imports or names. */
  distance: number;
  changed: string;
  seconds: number;
};

/** A file that nobody has measured counts as this many. */
const UNKNOWN_SECONDS = 10;
/** Further away, nearly every test reaches nearly every file. */
const FURTHEST = 6;

const TYPES = /\b(?:import|export)\s+type\s[^;]*?\bfrom\s*'[^'\n]+';?/g;
const SPECIFIER = /(?:\bfrom|\bimport)\s*\(?\s*'(\.[^'\n]+)'/g;
const QUOTED = /['"`]((?:[\w.-]+\/)*[\w.-]+\.\w+)['"`]/g;

/** What each file uses of the others. Imports of types alone do not count: they change nothing that runs. */
export function usesOf(texts: ReadonlyMap<string, string>): Uses {
  const used = (file: string, text: string) => {
    const running = text.replace(TYPES, '');
    const imported = [...running.matchAll(SPECIFIER)].map((m) => posix.join(posix.dirname(file), m[1] as string));
    // What a process is started with, and what is read, is named by its path: from the root, or beside the file.
    const named = [...running.matchAll(QUOTED)].flatMap(([, path]) => [
      path as string,
      posix.join(posix.dirname(file), path as string),
    ]);
    return [...new Set([...imported, ...named])].filter((path) => path !== file && texts.has(path));
  };
  return new Map([...texts].map(([file, text]) => [file, /\.(ts|mjs)$/.test(file) ? used(file, text) : []]));
}

/** The nearest changed file, over as few steps as possible; undefined where none is near. */
function nearest(
  test: string,
  changed: ReadonlySet<string>,
  uses: Uses,
): Pick<Candidate, 'distance' | 'changed'> | undefined {
  const seen = new Set([test]);
  let level = [test];
  for (let distance = 0; distance <= FURTHEST; distance++) {
    const hit = level.find((file) => changed.has(file));
    if (hit !== undefined) return { distance, changed: hit };
    level = level.flatMap((file) => uses.get(file) ?? []).filter((file) => !seen.has(file));
    for (const file of level) seen.add(file);
    level = [...new Set(level)];
  }
  return undefined;
}

/**
 * Which test files to run: the nearest to what changed first, of those the shortest, until `budget` seconds are used up.
 * One that alone takes longer than `longest` is always left out.
 */
export function select({
  tests,
  changed,
  uses,
  durations,
  budget,
  longest,
}: {
  tests: readonly string[];
  changed: readonly string[];
  uses: Uses;
  durations: Readonly<Record<string, number>>;
  budget: number;
  longest: number;
}): { chosen: Candidate[]; leftOut: Candidate[] } {
  const set = new Set(changed);
  const candidates = tests
    .flatMap((file) => {
      const near = nearest(file, set, uses);
      return near ? [{ file, ...near, seconds: durations[file] ?? UNKNOWN_SECONDS }] : [];
    })
    .sort((a, b) => a.distance - b.distance || a.seconds - b.seconds || (a.file < b.file ? -1 : 1));
  const chosen: Candidate[] = [];
  let left = budget;
  for (const candidate of candidates)
    if (candidate.seconds <= longest && candidate.seconds <= left) {
      chosen.push(candidate);
      left -= candidate.seconds;
    }
  return { chosen, leftOut: candidates.filter((candidate) => !chosen.includes(candidate)) };
}
