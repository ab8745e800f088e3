import type { Asks } from './declare.ts';
import { listOf } from './declare.ts';
import { parseDone, type Rule } from './judge.ts';
import { parseTemplate, type Slot, slotsOf, type Template } from './template.ts';
import { parseUrl, type UrlTemplate } from './url.ts';
import type { Telling } from './values.ts';
import { plain } from './values.ts';

/** Where a slot stands. What identifies whose data goes is what a URL and a body say. */
export type Position = 'url' | 'header' | 'body' | 'answer' | 'job';
export type Found = {
  readonly place: string;
  readonly position: Position;
  readonly slot: Slot;
  readonly alone: boolean;
};

export type Headers = readonly (readonly [name: string, value: Template])[];
type Say = (told: Telling) => unknown;

/** Skips where the value of a name is null, or null or empty. */
export type Condition = { readonly name: string; readonly is: 'null' | 'empty'; readonly written: string };

/** A `request:` of the catalog, read once. */
export type Compiled = {
  readonly method: Asks['method'];
  readonly url: UrlTemplate;
  readonly headers: Headers;
  readonly basic: { readonly user: Template; readonly password: Template } | null;
  /** Gives what is sent as JSON. */
  readonly body: Say | null;
  readonly form: Headers | null;
  readonly done: readonly Rule[];
  readonly follow: {
    readonly url: UrlTemplate;
    readonly headers: Headers;
    readonly done: readonly Rule[];
    readonly failed: readonly Rule[];
  } | null;
  readonly skip: readonly Condition[];
  /** Keys that one request is about. */
  readonly keysAtOnce: number;
  readonly found: readonly Found[];
  /** All that is wrong, whatever else the catalog says; each begins with its place. */
  readonly problems: readonly string[];
};

const compiled = new WeakMap<Asks, Compiled>();

/** Reads the templates of a `request:`; the same object is read once. */
export function compile(asks: Asks): Compiled {
  const known = compiled.get(asks);
  if (known) return known;
  const fresh = read(asks);
  compiled.set(asks, fresh);
  return fresh;
}

function read(asks: Asks): Compiled {
  const found: Found[] = [];
  const problems: string[] = [];
  const note = (place: string, words: readonly string[]) => problems.push(...words.map((one) => `${place}: ${one}`));
  const collect = (place: string, position: Position, template: Template): Template => {
    for (const slot of slotsOf(template)) found.push({ place, position, slot, alone: template.length === 1 });
    return template;
  };
  const template = (place: string, position: Position, text: string): Template => {
    const parsed = parseTemplate(text);
    note(place, parsed.problems);
    return collect(place, position, parsed.template);
  };
  const address = (place: string, position: Position, text: string): UrlTemplate => {
    const { url, problems: wrong } = parseUrl(text);
    note(place, wrong);
    for (const part of [...url.segments, ...(url.query ? [url.query] : [])]) collect(place, position, part);
    return url;
  };
  const rules = (place: string, done: NonNullable<Asks['done']>): Rule[] => {
    const parsed = parseDone(done);
    note(place, parsed.problems);
    for (const { where } of parsed.rules)
      for (const { at, oneOf } of where)
        for (const one of oneOf)
          if (typeof one === 'object' && one !== null) collect(`${place}: where: ${at}`, 'answer', one);
    return parsed.rules;
  };
  const texts = (place: string, position: Position, written: Readonly<Record<string, string>>): Headers =>
    Object.entries(written).map(([name, text]) => [name, template(`${place}.${name}`, position, text)] as const);

  const headers = texts('headers', 'header', asks.headers ?? {});
  const follow = asks.follow;
  return {
    method: asks.method,
    url: address('url', 'url', asks.url),
    headers,
    basic: asks.basic
      ? {
          user: template('basic.user', 'header', asks.basic.user),
          password: template('basic.password', 'header', asks.basic.password),
        }
      : null,
    body:
      asks.body === undefined
        ? null
        : bodyOf(asks.body, 'body', (place, text) => template(place, 'body', text), problems),
    form: asks.form ? texts('form', 'body', asks.form) : null,
    done: rules('done', asks.done),
    follow: follow
      ? {
          url: address('follow.url', 'job', follow.url),
          headers: follow.headers ? texts('follow.headers', 'job', follow.headers) : headers,
          done: rules('follow.done', follow.done),
          failed: follow.failed === undefined ? [] : rules('follow.failed', follow.failed),
        }
      : null,
    skip: listOf(asks.skip).map((written) => {
      const [, name, , is] = written.split(' ') as [string, string, string, Condition['is']];
      return { name, is, written };
    }),
    keysAtOnce: found.some(({ slot }) => slot.name === 'keys') ? (asks.keysAtOnce ?? 1_000) : 1,
    found,
    problems,
  };
}

/** What is sent as JSON: texts are templates, and a text that is {keys} alone is a list. Other values are said as they are. */
function bodyOf(
  node: unknown,
  place: string,
  template: (place: string, text: string) => Template,
  problems: string[],
): Say {
  if (typeof node === 'string') {
    const text = template(place, node);
    const [slot] = text;
    if (text.length === 1 && typeof slot === 'object' && slot.name === 'keys')
      return (told) => told.keys.map((key) => plain(text, { ...told, keys: [key] }));
    return (told) => plain(text, told);
  }
  if (Array.isArray(node)) {
    const items = node.map((item, n) => bodyOf(item, `${place}.${n}`, template, problems));
    return (told) => items.map((item) => item(told));
  }
  if (typeof node === 'object' && node !== null && Object.getPrototypeOf(node) === Object.prototype) {
    const members = Object.entries(node).map(
      ([name, value]) => [name, bodyOf(value, `${place}.${name}`, template, problems)] as const,
    );
    for (const [name] of members)
      if (/[{}]/.test(name)) problems.push(`${place}: the key ${name} is sent as it is: a template stands in a value`);
    return (told) => Object.fromEntries(members.map(([name, value]) => [name, value(told)]));
  }
  if (node !== null && typeof node !== 'boolean' && !(typeof node === 'number' && Number.isFinite(node)))
    problems.push(`${place}: expected a text, a number, true, false, null, a list or keys with values`);
  return () => node;
}
