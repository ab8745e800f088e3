import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { filesIn } from '../../dev/rooms/imports.ts';

/** What only src/keys may do, and a line of each kind as another room would write it. */
const BYPASSES: readonly { does: string; pattern: RegExp; examples: readonly string[] }[] = [
  {
    does: 'takes one part of a key',
    pattern: /\b(?:account|key|\w+Key|cursor|lower|upper)\??\.?\[\d\]/,
    examples: [
      'accountKey: account.key[0] as string,',
      'const { type } = parent.account[0];',
      'name: accountName, key: accountKey[0]',
      'row.upper?.[0]',
    ],
  },
  {
    does: 'takes a key apart',
    pattern: /\bkey: \[(?!\])|\bconst \[\w+\] = [\w.]*(?:\bkey|\baccount|Key)\b[;.]/,
    examples: ['const canonical = ({ key: [column] }: AccountTable', 'const [only] = ctx.catalog.account.key;'],
  },
  {
    does: 'makes a key of the text of one',
    pattern: /\[[\w.]*\baccountKey(?: as string)?\]/,
    examples: ['(accountKey: string): KeyValue => [accountKey];', 'const account = [running.accountKey as string];'],
  },
  {
    does: 'makes one text of a key',
    pattern:
      /(?:String|JSON\.stringify)\([\w.]*(?:\b[kK]ey|\bupper|\blower|\bcursor)\)|\b(?:key|upper|lower|cursor|accountKey)\??\.(?:join\(|toString\(\)|map\(String)/,
    examples: [
      'String(upper) === String(claim.upper)',
      'JSON.stringify(claim.cursor)',
      "account.key.join(',')",
      'upper.toString()',
    ],
  },
  {
    does: 'casts a key in SQL',
    pattern: /::text::\$\{/,
    examples: [`sql\`$1::text::${'$'}{sql.raw(column.type)}::text\``],
  },
  {
    does: 'says what a key of a type looks like',
    pattern: /type === 'uuid' \?|\[0-9a-f\]\{8\}-/,
    examples: ["const kind = type === 'uuid' ? 'a uuid' : 'a number';", 'const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-/i;'],
  },
];

const outside = filesIn('src').filter((file) => !file.startsWith('keys/'));

describe.each(BYPASSES)('a file outside src/keys that $does', ({ pattern, examples }) => {
  it('is known by its text', () => {
    for (const example of examples) expect(example).toMatch(pattern);
  });

  it('is not there', () => {
    const found = outside.flatMap((file) =>
      readFileSync(`src/${file}`, 'utf8')
        .split('\n')
        .filter((line) => pattern.test(line))
        .map((line) => `${file}: ${line.trim()}`),
    );
    expect(found).toEqual([]);
  });
});
