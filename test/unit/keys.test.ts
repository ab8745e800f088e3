import { PgDialect } from 'drizzle-orm/pg-core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonical, canonicalAsWritten } from '../../src/keys/canonical.ts';
import { sameKey } from '../../src/keys/compare.ts';
import { decodeKey, encodeKey } from '../../src/keys/encode.ts';
import { isKey, keyInWords, parseKey } from '../../src/keys/parse.ts';
import type { KeyColumns, KeyType, KeyValue } from '../../src/keys/types.ts';

/** Texts that are full of what separates and escapes. */
const part = fc.oneof(fc.string({ unit: fc.constantFrom(...',%25Cc2"\\{}ab'), maxLength: 6 }), fc.string());
const tuple = fc.array(part, { minLength: 1, maxLength: 4 });

describe('sameKey', () => {
  it('tells keys apart that read the same when they are joined', () => {
    expect(sameKey(['a,b', 'c'], ['a', 'b,c'])).toBe(false);
    expect(sameKey(['a', 'b'], ['a'])).toBe(false);
    expect(sameKey(['a'], ['a', 'b'])).toBe(false);
    expect(sameKey(['a', 'b'], ['a', 'b'])).toBe(true);
  });

  it('is true for the same values only', () => {
    fc.assert(
      fc.property(tuple, tuple, (a, b) => {
        expect(sameKey(a, [...a])).toBe(true);
        expect(sameKey(a, b)).toBe(JSON.stringify(a) === JSON.stringify(b));
      }),
    );
  });
});

const columnsOf = (...types: KeyType[]): KeyColumns =>
  types.map((type, i) => ({ name: `k${i}`, type })) as unknown as KeyColumns;
/** Decoding asks only how many columns there are. */
const asMany = (key: KeyValue): KeyColumns => columnsOf(...key.map((): KeyType => 'bigint'));

describe('the text of a key', () => {
  it('is the value itself for one column, as it is stored already', () => {
    for (const text of ['7', '-7', '0192d3c4-aaaa-7bbb-8ccc-00000000000f', 'a,b', '100%', ''])
      expect([encodeKey([text]), decodeKey(columnsOf('bigint'), text)]).toEqual([text, [text]]);
  });

  it('puts commas between the parts of several, and only there', () => {
    expect(encodeKey(['0192d3c4-aaaa-7bbb-8ccc-00000000000f', '7'])).toBe('0192d3c4-aaaa-7bbb-8ccc-00000000000f,7');
    expect(encodeKey(['a,b', 'c'])).toBe('a%2Cb,c');
    expect(encodeKey(['a', 'b,c'])).toBe('a,b%2Cc');
    expect(encodeKey(['100%', '%2C', ''])).toBe('100%25,%252C,');
  });

  it('gives every key back', () => {
    fc.assert(
      fc.property(tuple, (key) => {
        expect(decodeKey(asMany(key), encodeKey(key))).toEqual(key);
      }),
      { numRuns: 1000 },
    );
  });

  it('stands in a URL as it is where its parts are numbers and uuids', () => {
    const text = encodeKey(['0192d3c4-aaaa-7bbb-8ccc-00000000000f', '-7']);
    expect(new URL(`http://lethe.test/v1/accounts/${text}/erasure`).pathname).toBe(`/v1/accounts/${text}/erasure`);
  });

  it('is never the same for two keys of one table', () => {
    const parts = ['', ',', ',,', '%', '%2C', '%25', '2C', 'a'];
    let keys: string[][] = [[]];
    for (const width of [1, 2, 3]) {
      keys = keys.flatMap((key) => parts.map((part) => [...key, part]));
      expect(new Set(keys.map(encodeKey)).size).toBe(parts.length ** width);
    }
  });

  it('is refused where it has another number of parts than the table has key columns', () => {
    const two = columnsOf('bigint', 'bigint');
    for (const text of ['7', '7,8,9', '']) {
      expect(() => decodeKey(two, text)).toThrow(/^catalog_invalid/);
      expect(() => parseKey(two, text)).toThrow(/^invalid_request/);
    }
  });
});

describe('a key of several columns', () => {
  const columns = columnsOf('uuid', 'smallint');
  const uuid = '0192D3C4-AAAA-7bbb-8ccc-00000000000F';

  it('is parsed part by part, each by its own type', () => {
    expect(parseKey(columns, `${uuid},007`)).toEqual([uuid, '007']);
    for (const text of [`7,${uuid}`, `${uuid},32768`, `${uuid},`, `,7`, `${uuid}, 7`, `${uuid}%2C7`, uuid, '7'])
      expect(() => parseKey(columns, text), text).toThrow(/^invalid_request/);
  });

  it('is asked for in words, and never repeated', () => {
    expect(() => parseKey(columns, 'secret,secret', 'sub')).toThrow(
      'invalid_request: sub: expected a uuid and a whole number (smallint), with a comma between',
    );
    expect(keyInWords(columnsOf('uuid'))).toBe('a uuid');
    expect(keyInWords(columnsOf('bigint'))).toBe('a whole number (bigint)');
  });

  it('is told from other texts', () => {
    expect(isKey(columns, `${uuid},7`)).toBe(true);
    expect(isKey(columns, uuid)).toBe(false);
    expect(isKey(columnsOf('uuid'), uuid)).toBe(true);
    expect(isKey(columnsOf('bigint'), uuid)).toBe(false);
  });
});

describe('the canonical text', () => {
  const statement = (columns: KeyColumns, key: KeyValue) => new PgDialect().sqlToQuery(canonical(columns, key));

  it('is one parameter with one cast for a key of one column', () => {
    expect(statement(columnsOf('bigint'), ['007'])).toMatchObject({ sql: '$1::text::bigint::text', params: ['007'] });
  });

  it('takes one parameter for each column', () => {
    const { sql, params } = statement(columnsOf('uuid', 'integer', 'bigint'), ['a', 'b', 'c']);
    expect(params).toEqual(['a', 'b', 'c']);
    expect(sql).toContain('$1::text::uuid::text');
    expect(sql).toContain('$2::text::integer::text');
    expect(sql).toContain('$3::text::bigint::text');
  });

  it.each([
    ['007', '7'],
    ['-0', '0'],
    ['0192D3C4-AAAA-7BBB-8CCC-00000000000F', '0192d3c4-aaaa-7bbb-8ccc-00000000000f'],
    ['0192D3C4-AAAA-7BBB-8CCC-00000000000F,007', '0192d3c4-aaaa-7bbb-8ccc-00000000000f,7'],
  ])('of %s is %s without a catalog, too', (text, printed) => {
    expect(canonicalAsWritten(text, 'account')).toBe(printed);
  });

  it.each(['', 'sue', '7,', '7 ', '7,sue', '1'.repeat(41)])('of "%s" is refused without a catalog', (text) => {
    expect(() => canonicalAsWritten(text, 'account')).toThrow(
      'invalid_request: account: expected a whole number or a uuid',
    );
  });
});
