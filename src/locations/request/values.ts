import type { Call } from '../asked.ts';
import { applyFilters } from './filters.ts';
import { type Slot, say, type Template } from './template.ts';

/** What a template says of one request. */
export type Telling = Pick<Call, 'account' | 'values' | 'requestedAt'> & {
  /** The same for every try: the call's id, with each: followed by the number of its first key. */
  readonly id: string;
  /** Keys that this request is about; none without each:. */
  readonly keys: readonly string[];
  readonly variable: (name: string) => string | undefined;
  /** What the answer that began a job said, by its place. */
  readonly answer?: Readonly<Record<string, string>>;
};

/** A request that must not be made, because of what a template would say. Words for support, without values. */
export class Unsayable extends Error {
  /** No call of this partner can be made. */
  readonly always: boolean;
  constructor(words: string, always = false) {
    super(words);
    this.always = always;
  }
}

/** Names that a template has whatever `select:` says. */
export const OWN_NAMES = ['account', 'key', 'keys', 'id', 'requestedAt', 'answer', 'env'] as const;

export const variableOf = (name: string): string | undefined =>
  name.startsWith('env:') ? name.slice('env:'.length) : undefined;

const ownOf = <V>(of: Readonly<Record<string, V>>, name: string): V | undefined =>
  Object.hasOwn(of, name) ? of[name] : undefined;

/** What a name stands for; null: nothing is known, or the column is null. */
export function standsFor(name: string, told: Telling): string | null {
  const variable = variableOf(name);
  if (variable !== undefined) return told.variable(variable) ?? null;
  const [own, column] = name.split('.', 2);
  if (own === 'account')
    return (column === undefined ? Object.values(told.account)[0] : ownOf(told.account, column)) ?? null;
  if (own === 'key' || own === 'keys') return told.keys[0] ?? null;
  if (own === 'answer') return ownOf(told.answer ?? {}, name.slice('answer.'.length)) ?? null;
  if (own === 'id') return told.id;
  if (own === 'requestedAt') return told.requestedAt.toISOString();
  return ownOf(told.values, name) ?? null;
}

/** The text that stands in a slot. A value that is missing is never left out: what is deleted would be another thing. */
export function textOf(slot: Slot, told: Telling): string {
  const value = standsFor(slot.name, told);
  const variable = variableOf(slot.name);
  if (variable !== undefined && !value) throw new Unsayable(`the variable ${variable} is not set`, true);
  if (value === null || value === '')
    throw new Unsayable(`${slot.written} is ${value === null ? 'null' : 'empty'}, and skip: does not say what then`);
  return applyFilters(slot.filters, value);
}

/** A template in words, each value as it is. */
export const plain = (template: Template, told: Telling): string => say(template, (slot) => textOf(slot, told));
