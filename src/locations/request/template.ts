import { FILTER_NAMES, type Filter, isFilter } from './filters.ts';

/** A place in a template that a value takes. `written`: as it stands there, with its braces. */
export type Slot = { readonly name: string; readonly filters: readonly Filter[]; readonly written: string };

/** Texts that are said as they are, and slots between them. */
export type Template = readonly (string | Slot)[];

const NAME = /^(env:[A-Za-z_][A-Za-z0-9_]*|[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*)$/;

/** A brace that is meant, written twice; a slot; or a brace that is neither. */
const PIECES = /\{\{|\}\}|\{[^{}]*\}|[{}]/g;

/**
 * Reads a template: `{name}`, `{name|filter|filter}`, `{env:NAME}`; a brace that is meant is written twice. Returns the
 * words for what is wrong instead, all of it.
 */
export function parseTemplate(text: string): { template: Template; problems: string[] } {
  const parts: (string | Slot)[] = [];
  const problems: string[] = [];
  const say = (literal: string) => {
    const last = parts.at(-1);
    if (typeof last === 'string') parts[parts.length - 1] = last + literal;
    else if (literal !== '') parts.push(literal);
  };
  let from = 0;
  for (const { 0: piece, index } of text.matchAll(PIECES)) {
    say(text.slice(from, index));
    from = index + piece.length;
    if (piece === '{{' || piece === '}}') say(piece.charAt(0));
    else if (piece.length === 1)
      problems.push(`${piece} stands alone: a brace that is meant is written twice: ${piece}${piece}`);
    else parts.push(slotOf(piece, problems));
  }
  say(text.slice(from));
  return { template: parts, problems };
}

function slotOf(written: string, problems: string[]): Slot {
  const [name = '', ...filters] = written
    .slice(1, -1)
    .split('|')
    .map((part) => part.trim());
  if (!NAME.test(name)) problems.push(`${written} names nothing: write {account}, or {{ and }} where braces are meant`);
  for (const filter of filters)
    if (!isFilter(filter))
      problems.push(`${written}: unknown filter ${filter || '(none)'}; known are ${FILTER_NAMES.join(', ')}`);
  return { name, filters: filters.filter(isFilter), written };
}

export const slotsOf = (template: Template): Slot[] =>
  template.filter((part): part is Slot => typeof part !== 'string');

/** The template is one slot and nothing else. */
export const onlySlot = (template: Template): Slot | undefined => {
  const [first] = template;
  return template.length === 1 && typeof first === 'object' ? first : undefined;
};

/** Says a template. `value` gives what a slot stands for, encoded for its place. */
export const say = (template: Template, value: (slot: Slot) => string): string =>
  template.map((part) => (typeof part === 'string' ? part : value(part))).join('');
