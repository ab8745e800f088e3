import type { z } from 'zod';
import { nearest } from './live/nearest.ts';

type Issue = z.core.$ZodIssue;

/** What is missing where a key is, by its place in the file. The keys of a kind say it themselves. */
const MISSING: Record<string, string> = {
  account: 'say where the accounts are: account: { table: users, key: id }',
  locations:
    "list the tables that hold an account's data: locations: [{ table: orders, account: user_id, owner: shop }]",
  'locations.owner': 'say who answers for it: owner: shop',
  'ignore.reason': 'say why it need not be erased: reason: holds no account',
};

/** The keys that the file knows at a path. */
export type Known = (path: readonly PropertyKey[]) => readonly string[];

/** A path without its numbers: `locations.0.owner` is `locations.owner`. */
export const partOf = (path: readonly PropertyKey[]): string =>
  path.filter((step) => typeof step !== 'number').join('.');

/** What stands at a path of the file. */
export const valueAt = (written: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>((value, step) => (value as Record<PropertyKey, unknown> | undefined | null)?.[step], written);

/** What an entry of a list is about: what stands at the first of `keys` that it has. */
function placeAt(written: unknown, path: readonly PropertyKey[], keys: readonly string[]): string | undefined {
  if (typeof path[1] !== 'number') return undefined;
  return keys.map((key) => valueAt(written, [...path.slice(0, 2), key])).find((value) => typeof value === 'string');
}

/** What is wrong at one place of the file, in words, beginning with the place of the entry. `places`: the keys that name one. */
export function issueWords(issue: Issue, written: unknown, known: Known, places: readonly string[]): string[] {
  const { path } = issue;
  const place = placeAt(written, path, places);
  const name = place === undefined ? '' : `${place}: `;
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => `${name}${unknownKey(key, known(path))}`);
  const value = valueAt(written, path);
  const isEmpty = value === undefined || value === null || (Array.isArray(value) && value.length === 0);
  const missing = MISSING[partOf(path)] ?? (isGeneral(issue) ? undefined : issue.message);
  if (missing && isEmpty) return [`${name}${missing}`];
  if (issue.code === 'invalid_type') return [`${name}expected ${kindOf(issue.expected)}, found ${found(value)}`];
  if (issue.code === 'too_small' && value === '') return [`${name}expected a name, found an empty text`];
  if (issue.code === 'too_big' && issue.origin === 'string')
    return [`${name}is longer than ${issue.maximum} characters`];
  return [`${name}${issue.message}`];
}

/** True where the schema has no words of its own for it. */
const isGeneral = ({ message }: Issue) => message.startsWith('Invalid input');

const unknownKey = (key: string, known: readonly string[]): string => {
  const meant = nearest(key, known);
  return meant ? `unknown key ${key}: ${meant}?` : `unknown key ${key}; known are ${known.join(', ')}`;
};

const KINDS: Record<string, string> = {
  string: 'a text',
  array: 'a list',
  object: 'keys with values',
  number: 'a number',
};
const kindOf = (type: string) => KINDS[type] ?? type;

function found(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  return kindOf(Array.isArray(value) ? 'array' : typeof value);
}
