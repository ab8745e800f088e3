import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sameKey } from '../../src/keys/compare.ts';

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
