import { LetheError } from '../errors.ts';
import type { KeyColumns, KeyValue } from './types.ts';

/**
 * The one text of a key: `erasure.account_key`, what the digest is made of, the API's `accountId`, and the `sub` of
 * the sign-out call. A key of one column is its own text. The parts of several stand with commas between them; in
 * each part `%` becomes `%25` and `,` becomes `%2C`. A client encodes it for a URL as any other text.
 */
export const encodeKey = (key: KeyValue): string =>
  key.length === 1
    ? (key[0] as string)
    : key.map((part) => part.replaceAll('%', '%25').replaceAll(',', '%2C')).join(',');

/** The parts of a text, or null when it has another number of parts than the key has columns. */
export function splitKey(columns: KeyColumns, text: string): KeyValue | null {
  if (columns.length === 1) return [text];
  const parts = text.split(',');
  if (parts.length !== columns.length) return null;
  return parts.map((part) => part.replaceAll(/%2C/gi, ',').replaceAll('%25', '%'));
}

/**
 * The key that `encodeKey` made a text of, for the table with these key columns. Throws `catalog_invalid` for a text of
 * another table: its number of parts is another one.
 */
export function decodeKey(columns: KeyColumns, text: string): KeyValue {
  const key = splitKey(columns, text);
  if (key) return key;
  throw new LetheError('catalog_invalid', 'the account’s key does not have the columns that the catalog says');
}
