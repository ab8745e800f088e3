import { sql } from 'drizzle-orm';
import type { Executor } from '../../store/client.ts';
import { type Declaration, tablesOf } from '../live/declared.ts';
import { named } from '../live/inspect.ts';
import { fullName, nameParts, qualified, tableName } from '../live/names.ts';
import type { Relation } from '../live/relation.ts';
import type { TableName } from '../live/types.ts';
import type { Coverage, Finding } from './coverage.ts';
import { ignoredOf } from './ignored.ts';

/** What an erasure sets off: `by` in words, and the text that the server runs. */
export type Effect = { by: string; text: string; language: string };
/** A function of the application, which such a text may call. */
export type Routine = { name: string; text: string };

/** Triggers and rules of these tables and their partitions for DELETE, and for UPDATE of the account's, with their texts. */
export async function inspectEffects(db: Executor, declared: Declaration): Promise<Effect[]> {
  const account = tableName(declared.account.table);
  const tables = [account, ...tablesOf(declared).map((l) => tableName(l.table))];
  const flagged = declared.account.flag === undefined ? [] : [account];
  const of = (roots: readonly TableName[]) => sql`
    SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE (n.nspname, c.relname) IN (${named(roots)})
    UNION SELECT i.inhrelid FROM pg_inherits i JOIN`;
  return db.execute<Effect>(sql`
    WITH RECURSIVE listed(oid) AS (${of(tables)} listed ON i.inhparent = listed.oid),
                   flagged(oid) AS (${of(flagged)} flagged ON i.inhparent = flagged.oid)
    SELECT format('trigger %I on %s', t.tgname, t.tgrelid::regclass) AS by, p.prosrc AS text, l.lanname AS language
      FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_language l ON l.oid = p.prolang
     WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')
       AND (t.tgtype & 8 <> 0 AND t.tgrelid IN (SELECT oid FROM listed)
            OR t.tgtype & 16 <> 0 AND t.tgrelid IN (SELECT oid FROM flagged))
    UNION
    SELECT format('rule %I on %s', r.rulename, r.ev_class::regclass), pg_get_ruledef(r.oid), 'sql'
      FROM pg_rewrite r
     WHERE r.ev_type = '4' AND r.ev_enabled IN ('O', 'A') AND r.ev_class IN (SELECT oid FROM listed)
     ORDER BY 1`);
}

/** Every function that is not the system's. */
export async function inspectRoutines(db: Executor): Promise<Routine[]> {
  return db.execute<Routine>(sql`
    SELECT p.proname AS name, pg_get_functiondef(p.oid) AS text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
     WHERE p.prokind IN ('f', 'p') AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'lethe', 'lethe_migrations')`);
}

const NAME = String.raw`(?:"(?:[^"]|"")+"|[\w$]+)`;
const TARGET = new RegExp(
  String.raw`\b(?:insert\s+into|update|delete\s+from|merge\s+into|truncate(?:\s+table)?|copy)\s+(?:only\s+)?(${NAME}(?:\s*\.\s*${NAME})?)`,
  'gi',
);
const CALLED = new RegExp(String.raw`(${NAME})\s*\(`, 'g');
const PUT_TOGETHER = /\bexecute\b(?!\s+(?:function|procedure|on)\b)/i;
const READABLE = ['sql', 'plpgsql'];

const withoutComments = (text: string) => text.replace(/--[^\n]*/g, ' ').replace(/\/\*[\s\S]*?\*\//g, ' ');
/** As PostgreSQL reads it: in small letters unless quoted. */
const folded = (name: string) =>
  (nameParts(name.replaceAll(/\s+/g, '')) ? name.replaceAll(/\s+/g, '') : name).replace(
    /"(?:[^"]|"")+"|[^"]+/g,
    (part) => (part.startsWith('"') ? part : part.toLowerCase()),
  );

/** The text and those of the functions that it names, at any distance. */
function withCalled(text: string, routines: ReadonlyMap<string, string[]>): string[] {
  const texts = new Set([withoutComments(text)]);
  for (const one of texts)
    for (const [, name] of one.matchAll(CALLED))
      for (const called of routines.get(nameParts(folded(name as string))?.[0] ?? '') ?? [])
        texts.add(withoutComments(called));
  return [...texts];
}

/**
 * Tables that a deletion's triggers and rules write to, by their texts, and that the catalog neither lists nor ignores.
 * A text tells what it may do and not what it will: an erasure looks again while it runs.
 */
export function findWritten(
  declared: Declaration,
  relations: readonly Relation[],
  effects: readonly Effect[],
  routines: readonly Routine[],
): Omit<Coverage, 'errors'> {
  const listed = [declared.account, ...tablesOf(declared)].map((t) => fullName(t.table));
  const covered = new Set([...listed, ...ignoredOf(declared).tables]);
  const byName = new Map<string, string[]>();
  for (const { name, text } of routines) byName.set(name, [...(byName.get(name) ?? []), text]);
  const uncovered = new Map<string, Finding>();
  const warnings: string[] = [];
  for (const { by, text, language } of effects) {
    const texts = withCalled(text, byName);
    if (!READABLE.includes(language) || texts.some((t) => PUT_TOGETHER.test(t)))
      warnings.push(`${by}: what it writes to cannot be read from its text; an erasure finds out while it runs`);
    for (const [, target] of texts.flatMap((t) => [...t.matchAll(TARGET)]))
      for (const { table, parents } of relations.filter((r) => isMeant(r.table, nameParts(folded(target as string)))))
        if (![table, ...parents].some((t) => covered.has(t)) && !uncovered.has(table))
          uncovered.set(table, {
            table,
            kind: 'trigger',
            text: `${table} is written to by ${by} when an account is erased: list it under locations, with the column that holds the account's key, or under ignore with a reason`,
          });
  }
  return { uncovered: [...uncovered.values()], warnings };
}

/** Without a schema it may be in any: the search path is whoever's fires the trigger. */
const isMeant = (table: string, parts: readonly string[] | undefined): boolean => {
  if (!parts) return false;
  const [first, second] = parts as [string, string?];
  return second === undefined
    ? tableName(table).table === first
    : table === qualified({ schema: first, table: second });
};
