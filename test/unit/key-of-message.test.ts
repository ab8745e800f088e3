import { describe, expect, it } from 'vitest';
import { keyOfMessage } from '../../src/erasure/partner/key-of-message.ts';
import type { KeyColumns } from '../../src/keys/types.ts';

const ID: KeyColumns = [{ name: 'id', type: 'bigint' }];
const PAIR: KeyColumns = [
  { name: 'tenant', type: 'integer' },
  { name: 'user_id', type: 'uuid' },
];
const UUID = '019a9f3e-5b7c-7d3a-9a55-0d6d3c1f2b10';

describe('the key of a message', () => {
  it('is taken by the names of its columns, in their order here', () => {
    expect(keyOfMessage(ID, { id: '7', tenant: '3' })).toEqual(['7']);
    expect(keyOfMessage(PAIR, { user_id: UUID, tenant: '3' })).toEqual(['3', UUID]);
  });

  it('is the only value where it is one column', () => {
    expect(keyOfMessage(ID, { account_number: '7' })).toEqual(['7']);
  });

  it.each<[string, KeyColumns, Record<string, string>, string]>([
    ['two values for one column', ID, { a: '1', b: '2' }, 'data.account: expected id; the message has a, b'],
    [
      'one value for two columns',
      PAIR,
      { tenant: '3' },
      'data.account: expected tenant, user_id; the message has tenant',
    ],
    ['nothing', ID, {}, 'data.account: expected id; the message has nothing'],
    [
      'an inherited name',
      [{ name: 'constructor', type: 'bigint' }],
      { a: '1', b: '2' },
      'data.account: expected constructor; the message has a, b',
    ],
    ['a value of another type', ID, { id: UUID }, 'data.account: expected a whole number (bigint)'],
    [
      'a number that is too large',
      PAIR,
      { tenant: '2147483648', user_id: UUID },
      'data.account: expected a whole number (integer) and a uuid, with a comma between',
    ],
    [
      'more parts in one value',
      PAIR,
      { tenant: '1,2', user_id: UUID },
      'data.account: expected a whole number (integer) and a uuid, with a comma between',
    ],
  ])('is refused: %s', (_, columns, account, words) => {
    expect(() => keyOfMessage(columns, account)).toThrow(`invalid_request: ${words}`);
  });
});
