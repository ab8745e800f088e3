import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parseDocument } from 'yaml';
import type { z } from 'zod';
import { UsageError } from '../errors.ts';
import { KINDS, type Kinds } from '../locations/kinds/registry.ts';
import { checkNames } from './check-names.ts';
import { checkPartners } from './check-partners.ts';
import { issueWords, type Known, partOf, valueAt } from './issue-words.ts';
import { declarationOf, knownKeys } from './language.ts';
import type { Declaration } from './live/declared.ts';
import { nearest } from './live/nearest.ts';
import { withoutWatching } from './watching.ts';

/** Parses catalog text. Throws a UsageError that lists every problem with its path in the file. */
export function parseCatalog(text: string, file = 'catalog', kinds: Kinds = KINDS): Declaration {
  return parseDeclaration(parseText(text, file), file, kinds);
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
export function parseDeclaration(written: unknown, file: string, kinds: Kinds = KINDS): Declaration {
  const { declared, problems } = readDeclaration(written, file, kinds);
  if (problems.length > 0 || !declared) throw new UsageError(problems);
  return declared;
}

/** `declared` is there, too, when the problems leave no doubt what is meant: so that a typo hides no other mistake. */
export type Reading = { declared?: Declaration; problems: string[] };

function readDeclaration(written: unknown, file: string, kinds: Kinds): Reading {
  const schema = declarationOf(kinds);
  const parsed = schema.safeParse(written);
  const issues = parsed.error?.issues ?? [];
  const known: Known = (path) => knownKeys(kinds, partOf(path), valueAt(written, path));
  const misspelt = new Set(issues.flatMap((issue) => meantPaths(issue, known)));
  const told = issues.filter((issue) => !misspelt.has(issue.path.join('.')));
  const places = ['partner', ...Object.values(kinds).map(({ entry }) => entry)];
  const problems = told.flatMap((issue) =>
    issueWords(issue, written, known, places).map(
      (words) => `${file}: ${issue.path.join('.') || 'the file'}: ${words}`,
    ),
  );
  const { data: found } = parsed.success ? parsed : schema.safeParse(repaired(written, issues, known));
  // Each entry has been judged by the schema of its kind.
  const data = found as Omit<Declaration, 'digest' | 'source'> | undefined;
  if (!data) return { problems };
  problems.push(...checkNames(data, file, kinds), ...checkPartners(data, file));
  // Without what only the check reads, and how it is watched: neither changes an erasure that is under way.
  const { account, locations } = data;
  const erased = { account: { ...account, unreferenced: undefined }, locations };
  const digest = createHash('sha256').update(JSON.stringify(erased)).digest('hex').slice(0, 16);
  return { declared: { ...data, digest, source: withoutWatching(written) }, problems };
}

/** The places of the keys that were probably meant: what is said there would be said twice. */
function meantPaths(issue: z.core.$ZodIssue, known: Known): string[] {
  if (issue.code !== 'unrecognized_keys') return [];
  const meant = issue.keys.flatMap((key) => nearest(key, known(issue.path)) ?? []);
  return meant.map((key) => [...issue.path, key].join('.'));
}

/** The file as it was probably meant: misspelt keys are put right, and wrong values of keys that need not be there left out. */
function repaired(written: unknown, issues: readonly z.core.$ZodIssue[], known: Known): unknown {
  const copy = structuredClone(written);
  for (const issue of issues) {
    const { path } = issue;
    const place = valueAt(copy, issue.code === 'unrecognized_keys' ? path : path.slice(0, -1));
    if (typeof place !== 'object' || place === null) continue;
    const keys = place as Record<string, unknown>;
    const last = String(path.at(-1));
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys) {
        const meant = nearest(key, known(path));
        if (meant !== undefined && !(meant in keys)) keys[meant] = keys[key];
        delete keys[key];
      }
    } else if (last === 'owner' || last === 'reason') keys[last] ??= 'nobody yet';
    else delete keys[last];
  }
  return copy;
}

/** Reads and parses the catalog file. Throws a UsageError that says what to do. */
export function loadCatalog(file: string, kinds: Kinds = KINDS): Declaration {
  return parseCatalog(readText(file), file, kinds);
}

/** Like `loadCatalog`, but goes on with what was probably meant. Throws where the file cannot be read at all. */
export function readCatalogFile(file: string, kinds: Kinds = KINDS): Reading {
  return readDeclaration(parseText(readText(file), file), file, kinds);
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError([`LETHE_CATALOG: cannot read ${file} (${(error as NodeJS.ErrnoException).code})`]);
  }
}
