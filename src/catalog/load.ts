import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parseDocument } from 'yaml';
import type { z } from 'zod';
import { UsageError } from '../errors.ts';
import { columnName, splitColumn } from './checks/ignored.ts';
import { issueWords, nearest, partOf, valueAt } from './issue-words.ts';
import { declaration, KNOWN_KEYS } from './language.ts';
import type { Declaration } from './live/declared.ts';
import { fullName, locationName, tableName } from './live/names.ts';

/** Parses catalog text. Throws a UsageError that lists every problem with its path in the file. */
export function parseCatalog(text: string, file = 'catalog'): Declaration {
  return parseDeclaration(parseText(text, file), file);
}

function parseText(text: string, file: string): unknown {
  const document = parseDocument(text, { prettyErrors: true });
  if (document.errors.length > 0) {
    throw new UsageError(document.errors.map((e) => `${file}: ${e.message.split('\n')[0]}`));
  }
  try {
    return document.toJS({ maxAliasCount: 50 });
  } catch (error) {
    // An alias without its anchor, or too many of them: found only when they are resolved.
    throw new UsageError([`${file}: ${(error as Error).message}`]);
  }
}

/** Checks a catalog that is no text any more. Throws a UsageError like `parseCatalog`. */
export function parseDeclaration(written: unknown, file: string): Declaration {
  const { declared, problems } = readDeclaration(written, file);
  if (problems.length > 0 || !declared) throw new UsageError(problems);
  return declared;
}

/** `declared` is there, too, when the problems leave no doubt what is meant: so that a typo hides no other mistake. */
export type Reading = { declared?: Declaration; problems: string[] };

function readDeclaration(written: unknown, file: string): Reading {
  const parsed = declaration.safeParse(written);
  const issues = parsed.error?.issues ?? [];
  const misspelt = new Set(issues.flatMap(meantPaths));
  const told = issues.filter((issue) => !misspelt.has(issue.path.join('.')));
  const problems = told.flatMap((issue) =>
    issueWords(issue, written, KNOWN_KEYS).map((words) => `${file}: ${issue.path.join('.') || 'the file'}: ${words}`),
  );
  const { data } = parsed.success ? parsed : declaration.safeParse(repaired(written, issues));
  if (!data) return { problems };
  problems.push(...checkNames(data, file));
  // Without what only the check reads: that changes no erasure, and those under way need not keep another catalog for it.
  const { ignore: _, account, ...rest } = data;
  const erased = { account: { ...account, unreferenced: undefined }, ...rest };
  const digest = createHash('sha256').update(JSON.stringify(erased)).digest('hex').slice(0, 16);
  return { declared: { ...data, digest, source: written }, problems };
}

/** The places of the keys that were probably meant: what is said there would be said twice. */
function meantPaths(issue: z.core.$ZodIssue): string[] {
  if (issue.code !== 'unrecognized_keys') return [];
  const meant = issue.keys.flatMap((key) => nearest(key, KNOWN_KEYS[partOf(issue.path)] ?? []) ?? []);
  return meant.map((key) => [...issue.path, key].join('.'));
}

/** The file as it was probably meant: misspelt keys are put right, and wrong values of keys that need not be there left out. */
function repaired(written: unknown, issues: readonly z.core.$ZodIssue[]): unknown {
  const copy = structuredClone(written);
  for (const issue of issues) {
    const { path } = issue;
    const place = valueAt(copy, issue.code === 'unrecognized_keys' ? path : path.slice(0, -1));
    if (typeof place !== 'object' || place === null) continue;
    const keys = place as Record<string, unknown>;
    const last = String(path.at(-1));
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys) {
        const meant = nearest(key, KNOWN_KEYS[partOf(path)] ?? []);
        if (meant !== undefined && !(meant in keys)) keys[meant] = keys[key];
        delete keys[key];
      }
    } else if (last === 'owner' || last === 'reason') keys[last] ??= 'nobody yet';
    else delete keys[last];
  }
  return copy;
}

function checkNames(data: z.infer<typeof declaration>, file: string): string[] {
  const seen = new Map<string, string>();
  const problems: string[] = [];
  for (const [index, location] of data.locations.entries()) {
    const key = fullName(location.table);
    const name = locationName(location);
    for (const unique of [`table ${key}`, `name ${name}`]) {
      const first = seen.get(unique);
      if (first) problems.push(`${file}: locations.${index}: ${unique} is listed twice, first at ${first}`);
      else seen.set(unique, `locations.${index}`);
    }
    if (key === fullName(data.account.table)) {
      problems.push(`${file}: locations.${index}: ${location.table} is the account table; list only what it owns`);
    } else if (name === tableName(data.account.table).table) {
      // The task of the account's own row has that name, and an erasure has one task of each name.
      problems.push(`${file}: locations.${index}: the name ${name} is the account's own: give the location another`);
    }
  }
  return [...problems, ...checkIgnored(data, seen, file)];
}

function checkIgnored(
  { account, locations, ignore = [] }: z.infer<typeof declaration>,
  seen: ReadonlyMap<string, string>,
  file: string,
): string[] {
  const problems: string[] = [];
  const ignored = new Map<string, string>();
  const holders = new Map(locations.map((l, i) => [columnName(fullName(l.table), l.account), `locations.${i}`]));
  for (const [index, entry] of ignore.entries()) {
    const place = `ignore.${index}`;
    const of = entry.column === undefined ? undefined : splitColumn(entry.column);
    const key = of ? columnName(of.table, of.column) : fullName(`${entry.table}`);
    const what = `${of ? 'column' : 'table'} ${key}`;
    const listed = of ? holders.get(key) : seen.get(what);
    const first = ignored.get(key);
    if (key === fullName(account.table)) problems.push(`${file}: ${place}: ${entry.table} is the account table`);
    else if (listed && of)
      problems.push(`${file}: ${place}: ${what} is the account column of ${listed}: it cannot be both`);
    else if (listed) problems.push(`${file}: ${place}: ${what} is listed at ${listed}: it cannot be both`);
    else if (first) problems.push(`${file}: ${place}: ${what} is listed twice, first at ${first}`);
    else ignored.set(key, place);
  }
  return problems;
}

/** Reads and parses the catalog file. Throws a UsageError that says what to do. */
export function loadCatalog(file: string): Declaration {
  return parseCatalog(readText(file), file);
}

/** Like `loadCatalog`, but goes on with what was probably meant. Throws where the file cannot be read at all. */
export function readCatalogFile(file: string): Reading {
  return readDeclaration(parseText(readText(file), file), file);
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError([`LETHE_CATALOG: cannot read ${file} (${(error as NodeJS.ErrnoException).code})`]);
  }
}
