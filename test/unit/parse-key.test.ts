import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LetheError } from '../../src/errors.ts';
import { parseKey } from '../../src/keys/parse.ts';
import type { KeyColumns, KeyType } from '../../src/keys/types.ts';

const columnOf = (type: KeyType): KeyColumns => [{ name: 'id', type }];

function refusal(type: KeyType, text: string, field?: string): LetheError {
  try {
    parseKey(columnOf(type), text, field);
  } catch (error) {
    if (error instanceof LetheError) return error;
    throw error;
  }
  throw new Error(`${text} was accepted as ${type}`);
}

const LIMITS = [
  ['smallint', 2n ** 15n],
  ['integer', 2n ** 31n],
  ['bigint', 2n ** 63n],
] as const;
const TYPES = ['smallint', 'integer', 'bigint', 'uuid'] as const;
const UUID = '0192D3C4-aaaa-7bbb-8ccc-00000000000F';

describe('parseKey', () => {
  it.each(LIMITS)('takes a %s up to its limits and refuses the next number', (type, limit) => {
    const largest = String(limit - 1n);
    const smallest = String(-limit);
    expect(parseKey(columnOf(type), largest)).toEqual([largest]);
    expect(parseKey(columnOf(type), smallest)).toEqual([smallest]);
    for (const beyond of [String(limit), String(-limit - 1n)]) {
      expect(refusal(type, beyond)).toMatchObject({ code: 'invalid_request', extra: { field: 'accountId' } });
    }
  });

  it('takes a uuid in either case', () => {
    expect(parseKey(columnOf('uuid'), UUID)).toEqual([UUID]);
    expect(parseKey(columnOf('uuid'), UUID.toLowerCase())).toEqual([UUID.toLowerCase()]);
  });

  it('leaves leading zeros to the database, which prints the key without them', () => {
    expect(parseKey(columnOf('bigint'), '007')).toEqual(['007']);
  });

  const GARBAGE = ['', ' ', ' 7', '7 ', '7\n', '7;', '1e3', '0x10', '1.0', '+7', '--7', '٧', 'NaN', 'null', '7,8'];
  it.each(TYPES)('refuses what cannot be a %s', (type) => {
    const uuids = [`{${UUID}}`, UUID.replaceAll('-', ''), `${UUID}\n`, `${UUID}0`, UUID.replace('F', 'g')];
    const others = type === 'uuid' ? [...uuids, '7'] : [...uuids, UUID, '1'.repeat(41)];
    for (const text of [...GARBAGE, ...others, "7' OR '1'='1", '9'.repeat(10_240), '\u0000']) {
      expect(refusal(type, text).code).toBe('invalid_request');
    }
  });

  it.each(TYPES)('answers 10 kB for a %s at once and without repeating it', (type) => {
    const error = refusal(type, 'secret'.repeat(1707), 'id');
    expect(error.extra).toEqual({ field: 'id' });
    expect(error.message).not.toContain('secret');
    expect(error.message.length).toBeLessThan(100);
  });

  it('refuses any other text and names the field', () => {
    const digits = fc.string({ unit: fc.constantFrom(...'0123456789-+. eE_'), maxLength: 25 });
    const hex = fc.string({ unit: fc.constantFrom(...'0123456789abcdefABCDEF-'), minLength: 30, maxLength: 40 });
    const texts = fc.oneof(fc.string({ unit: 'binary' }), digits, hex, fc.bigInt().map(String), fc.uuid());
    fc.assert(
      fc.property(fc.constantFrom(...TYPES), texts, (type, text) => {
        const limit = LIMITS.find(([name]) => name === type)?.[1];
        const legal =
          limit === undefined ? isUuid(text) : isWholeNumber(text) && BigInt(text) < limit && BigInt(text) >= -limit;
        if (legal) {
          expect(parseKey(columnOf(type), text)).toEqual([text]);
          return;
        }
        const error = refusal(type, text, 'the-field');
        expect(error.code).toBe('invalid_request');
        expect(error.extra).toEqual({ field: 'the-field' });
        expect(error.message).toMatch(/^invalid_request: the-field: expected a (uuid|whole number)/);
      }),
      { numRuns: 2000 },
    );
  });
});

/** Said in another way than the source says it, so that a mistake there is not repeated here. */
function isWholeNumber(text: string): boolean {
  const digits = text.startsWith('-') ? text.slice(1) : text;
  return digits.length > 0 && digits.length <= 40 && [...digits].every((c) => c >= '0' && c <= '9');
}

function isUuid(text: string): boolean {
  const groups = text.split('-');
  const hex = (group: string) => [...group].every((c) => '0123456789abcdef'.includes(c.toLowerCase()));
  return groups.map((g) => g.length).join() === '8,4,4,4,12' && groups.every(hex);
}
