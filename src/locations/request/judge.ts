import { type Done, listOf } from './declare.ts';
import { parseTemplate, type Template } from './template.ts';
import { plain, type Telling } from './values.ts';

type Scalar = string | number | boolean | null;

/** One way in which an answer means success. */
export type Rule = {
  readonly statuses: readonly number[];
  /** Values at places of its JSON; one of the list stands there. Texts are templates. */
  readonly where: readonly { readonly at: string; readonly oneOf: readonly (Template | Exclude<Scalar, string>)[] }[];
  readonly has: readonly string[];
};

/** An answer as it was received. `body`: as far as it was read; `whole`: that is all of it. `coded`: it was compressed. */
export type Received = {
  readonly status: number;
  readonly body: string;
  readonly whole: boolean;
  readonly coded?: boolean;
};

/** Statuses that say nothing about the data: who asks, how often, where else, or that something broke. */
const NEVER = new Set([401, 403, 407, 408, 425, 429]);

/** Reads `done:`. `problems`: what is wrong with it, in words. */
export function parseDone(done: Done): { rules: Rule[]; problems: string[] } {
  const problems: string[] = [];
  const rules = listOf(done).map((one): Rule => {
    const { status, where = {}, has } = typeof one === 'number' ? { status: one, has: undefined } : one;
    const statuses = listOf(status);
    for (const code of statuses)
      if (code < 200 || code > 499 || (code >= 300 && code < 400) || NEVER.has(code))
        problems.push(`${code} never says that data is gone: name statuses of the 200s, or 404 and its like`);
    const conditions = Object.entries(where).map(([at, values]) => ({
      at,
      oneOf: listOf<Scalar>(values).map((value) => {
        if (typeof value !== 'string') return value;
        const read = parseTemplate(value);
        problems.push(...read.problems.map((words) => `where: ${at}: ${words}`));
        return read.template;
      }),
    }));
    return { statuses, where: conditions, has: listOf(has) };
  });
  return { rules, problems };
}

/** A page for people: what a wrong address, a proxy or a single-page application answers, with any status. */
const isPage = (body: string) => /^\s*<(!doctype\s+html|html)\b/i.test(body);

/**
 * Why an answer does not mean what the rules say; null: it does. A page in HTML never does, nor an answer whose status is
 * not declared. The words hold no value of the answer.
 */
export function whyNot(rules: readonly Rule[], received: Received, told: Telling): string | null {
  const { status, body, whole, coded = false } = received;
  if (coded && body !== '') return `answered ${status}, compressed, which was not asked for`;
  if (isPage(body)) return `answered ${status} with a page in HTML`;
  const meant = rules.filter(({ statuses }) => statuses.includes(status));
  if (meant.length === 0) return `answered ${status}, which the catalog does not list as done`;
  const read = meant.some(({ where, has }) => where.length + has.length > 0) ? readJson(body, whole) : undefined;
  let why = `answered ${status}`;
  for (const { where, has } of meant) {
    if (where.length + has.length === 0) return null;
    if (typeof read === 'string') why = `answered ${status} ${read}`;
    else {
      const missing = has.find((at) => (valueAt(read?.json, at) ?? null) === null);
      const other = where.find(({ at, oneOf }) => !oneOf.some((one) => fits(valueAt(read?.json, at), one, told)));
      if (missing === undefined && !other) return null;
      why = `answered ${status}, but its JSON ${missing === undefined ? `has another value at ${other?.at}` : `has nothing at ${missing}`}`;
    }
  }
  return why;
}

/** Numbers of the answer are compared with what a template says: a key is a text here, and often a number there. */
function fits(value: unknown, one: Template | Exclude<Scalar, string>, told: Telling): boolean {
  if (typeof one !== 'object' || one === null) return value === one;
  return (typeof value === 'number' ? String(value) : value) === plain(one, told);
}

/** The JSON of an answer, or why there is none. */
export function readJson(body: string, whole: boolean): { json: unknown } | string {
  if (!whole) return 'with more than is read of an answer';
  try {
    return { json: JSON.parse(body) };
  } catch {
    return 'without JSON';
  }
}

/** What stands at a place such as `results.0.status`; undefined: nothing. Own members only. */
export const valueAt = (json: unknown, at: string): unknown =>
  at
    .split('.')
    .reduce<unknown>(
      (value, step) =>
        typeof value === 'object' && value !== null && Object.hasOwn(value, step)
          ? (value as Record<string, unknown>)[step]
          : undefined,
      json,
    );
