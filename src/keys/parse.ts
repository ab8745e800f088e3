import { LetheError } from '../errors.ts';
import { splitKey } from './encode.ts';
import type { KeyColumns, KeyType, KeyValue } from './types.ts';

const RANGES: Record<Exclude<KeyType, 'uuid'>, bigint> = {
  smallint: 32_767n,
  integer: 2_147_483_647n,
  bigint: 9_223_372_036_854_775_807n,
};
export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
export const WHOLE_NUMBER = /^-?\d{1,40}$/;

/**
 * Reads a caller's text as a key of these columns. It checks the types here, so that no text reaches a cast that fails.
 * Returns the key, not yet as the database prints it. Throws `invalid_request` that names `field`.
 */
export function parseKey(columns: KeyColumns, text: string, field = 'accountId'): KeyValue {
  const key = readKey(columns, text);
  if (key) return key;
  throw new LetheError('invalid_request', `${field}: expected ${keyInWords(columns)}`, { field });
}

/** True for a text that can be a key of these columns. */
export const isKey = (columns: KeyColumns, text: string): boolean => readKey(columns, text) !== null;

/** What a key of these columns is: `a uuid`, `a whole number (bigint)`, or all of several. */
export function keyInWords(columns: KeyColumns): string {
  const words = columns.map(({ type }) => (type === 'uuid' ? 'a uuid' : `a whole number (${type})`));
  return words.length === 1 ? (words[0] as string) : `${words.join(' and ')}, with a comma between`;
}

function readKey(columns: KeyColumns, text: string): KeyValue | null {
  const key = splitKey(columns, text);
  return key?.every((part, i) => isOfType(columns[i]?.type as KeyType, part)) ? key : null;
}

function isOfType(type: KeyType, part: string): boolean {
  if (type === 'uuid') return UUID.test(part);
  if (!WHOLE_NUMBER.test(part)) return false;
  const value = BigInt(part);
  return value <= RANGES[type] && value >= -RANGES[type] - 1n;
}
