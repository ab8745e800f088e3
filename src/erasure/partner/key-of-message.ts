import { LetheError } from '../../errors.ts';
import { encodeKey } from '../../keys/encode.ts';
import { parseKey } from '../../keys/parse.ts';
import type { KeyColumns, KeyValue } from '../../keys/types.ts';

/** Names of columns, as many as fit in a line. */
const inWords = (names: readonly string[]): string => names.join(', ').slice(0, 200) || 'nothing';

/**
 * The account's key here, from the columns that a message names as its sender calls them. Columns of the same names are
 * taken; a single value is the key where the key is one column. Throws `invalid_request` that names the columns, and for
 * a value that no key here can be.
 */
export function keyOfMessage(columns: KeyColumns, account: Readonly<Record<string, string>>): KeyValue {
  const names = columns.map(({ name }) => name);
  const given = Object.keys(account);
  const found = names.every((name) => Object.hasOwn(account, name))
    ? names.map((name) => account[name] as string)
    : names.length === 1 && given.length === 1
      ? Object.values(account)
      : null;
  if (found) return parseKey(columns, encodeKey(found), 'data.account');
  throw new LetheError(
    'invalid_request',
    `data.account: expected ${inWords(names)}; the message has ${inWords(given)}`,
    { field: 'data.account' },
  );
}
