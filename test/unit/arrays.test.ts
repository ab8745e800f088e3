import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ARRAYS, readArray, writeArray } from '../../src/store/arrays.ts';

describe('arrays as Postgres writes them', () => {
  it('are read as they were written, whatever is in them', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' })), (values) => {
        expect(readArray(writeArray(values))).toEqual(values);
      }),
    );
  });

  it('are read as the server quotes them', () => {
    expect(readArray('{}')).toEqual([]);
    expect(readArray('{a,"b,c","",d\u00e9,"x\\"y\\\\z","NULL"}')).toEqual([
      'a',
      'b,c',
      '',
      'd\u00e9',
      'x"y\\z',
      'NULL',
    ]);
    expect(ARRAYS.integers.parse('{1,-20,3}')).toEqual([1, -20, 3]);
    expect(ARRAYS.texts.serialize(['a', null as never])).toBe('{"a",NULL}');
  });
});
