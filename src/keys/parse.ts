import type { Catalog } from '../catalog/live/types.ts';
import { LetheError } from '../errors.ts';
import type { KeyType } from './types.ts';

const RANGES: Record<Exclude<KeyType, 'uuid'>, bigint> = {
  smallint: 32_767n,
  integer: 2_147_483_647n,
  bigint: 9_223_372_036_854_775_807n,
};
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/**
 * Checks that a caller's text can be a key of the account table, so that the database is only asked
 * what it can answer. Returns the key tuple; throws `invalid_request` that names `field`.
 */
export function parseAccountId(catalog: Catalog, text: string, field = 'accountId'): [string] {
  const { type } = catalog.account.key[0];
  if (type === 'uuid') {
    if (UUID.test(text)) return [text];
    throw new LetheError('invalid_request', `${field}: expected a uuid`, { field });
  }
  if (/^-?\d{1,40}$/.test(text)) {
    const value = BigInt(text);
    if (value <= RANGES[type] && value >= -RANGES[type] - 1n) return [text];
  }
  throw new LetheError('invalid_request', `${field}: expected a whole number (${type})`, { field });
}
