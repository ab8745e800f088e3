import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { duration, table, width } from '../../src/cli/shell/format.ts';
import { json, type Output, painter, printable } from '../../src/cli/shell/terminal.ts';

/** Written apart from the code that it tests: what a terminal obeys, and what hides or reorders text. */
const steers = (text: string): boolean =>
  [...text].some((char) => {
    const code = char.codePointAt(0) as number;
    return (
      code < 0x20 ||
      (code >= 0x7f && code <= 0x9f) ||
      code === 0x61c ||
      (code >= 0x200e && code <= 0x200f) ||
      (code >= 0x2028 && code <= 0x202e) ||
      (code >= 0x2060 && code <= 0x206f) ||
      code === 0xfeff ||
      (code >= 0xd800 && code <= 0xdfff) ||
      (code >= 0xe0000 && code <= 0xe007f)
    );
  });

const hostile = fc.array(
  fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string(),
    fc.constantFrom(
      '\u001b[31m',
      '\u001b]0;title\u0007',
      '\u009b2J',
      '\u001b',
      '[',
      '\r\n',
      '\u202e',
      '\ud800',
      '\u{e0041}',
    ),
  ),
);

describe('printable', () => {
  it('leaves nothing that a terminal obeys, in whatever order it comes', () => {
    fc.assert(
      fc.property(hostile, (parts) => {
        const shown = printable(parts.join(''));
        expect(steers(shown)).toBe(false);
        expect(printable(shown)).toBe(shown);
      }),
    );
  });

  it.each([
    ['plain text', 'posts 1,000', 'posts 1,000'],
    ['a colour', 'a\u001b[31mred\u001b[0mb', 'aredb'],
    ['a title', '\u001b]0;owned\u0007a', 'a'],
    ['an escape within an escape', '\u001b\u001b[0m[31ma', '[31ma'],
    ['C1 codes', 'a\u0085\u009b', 'a'],
    ['lines', 'a\r\nb\tc\u2028d', 'a b c d'],
    ['reordered text', 'user\u202etxt.exe', 'usertxt.exe'],
    ['scripts and emoji', 'ä 漢字 می‌خواهم 👩‍👧', 'ä 漢字 می‌خواهم 👩‍👧'],
  ])('takes %s', (_, text, expected) => {
    expect(printable(text)).toBe(expected);
  });
});

describe('json', () => {
  it('holds the same value without a code that a terminal obeys', () => {
    fc.assert(
      fc.property(hostile, (parts) => {
        const text = json({ reason: parts.join('') });
        expect(steers(text)).toBe(false);
        expect(JSON.parse(text)).toEqual({ reason: parts.join('') });
      }),
    );
  });
});

describe('a table', () => {
  it('is aligned by what its cells take on the screen', () => {
    expect(
      table(
        [{ title: 'name' }, { title: 'rows', right: true }, { title: 'state' }],
        [
          ['posts', '1,000', '\u001b[31mfailed\u001b[0m'],
          ['漢字', '7', 'done'],
          ['é👩‍👧', '70', ''],
        ],
      ),
    ).toEqual([
      'name    rows  state',
      'posts  1,000  \u001b[31mfailed\u001b[0m',
      '漢字       7  done',
      'é👩‍👧       70',
    ]);
  });

  it('knows the width of a text', () => {
    expect(['', 'abc', 'e\u0301', '漢字', '👍', '\u001b[1mx\u001b[0m'].map(width)).toEqual([0, 3, 1, 4, 2, 1]);
  });
});

it.each([
  [0, 'less than 1 s'],
  [42_400, '42 s'],
  [59_700, '1 min'],
  [185_000, '3 min 5 s'],
  [7_800_000, '2 h 10 min'],
  [3_600_500, '1 h'],
  [273_600_000, '3 d 4 h'],
])('%i ms are %s', (ms, words) => {
  expect(duration(ms)).toBe(words);
});

it.each([
  [true, true, '\u001b[31mx\u001b[0m'],
  [true, false, 'x'],
  [false, true, 'x'],
])('colours a terminal only, and only one that has colours (terminal: %s, colours: %s)', (isTTY, colours, expected) => {
  expect(painter({ isTTY, hasColors: () => colours } as Output)('red', 'x')).toBe(expected);
});
