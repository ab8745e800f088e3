import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { allSentences, FILES_WITH_PROSE, linesToCut, sentencesOf } from '../support/prose.ts';

/** Words of a sentence that a newcomer still reads once. A code span, and a link with its address, are words like others. */
const MOST = 25;

/** How a sentence begins that may be longer, with the reason: a quotation is not ours to cut. */
const EXCEPTIONS: Readonly<Record<string, string>> = {};

const tooLong = allSentences().filter(
  ({ words, text }) => words > MOST && !Object.keys(EXCEPTIONS).some((begin) => text.startsWith(begin)),
);

describe('a sentence', () => {
  const sentences = (file: string, text: string) => sentencesOf(file, text).map((s) => [s.line, s.words, s.text]);

  it('of a page ends with a stop, a paragraph, a cell or an entry of a list', () => {
    const page = [
      '# A heading of five words',
      'One (e.g. this). Two: `a b. c` and [a link](docs/a b.md)! **Three.**',
      'Four',
      '',
      '- entry',
      '  goes on',
      '1. numbered',
      '',
      '| a cell | `a|b` |',
      '| --- | --- |',
      '```sh',
      'npm test # is no prose',
      '```',
      '<!-- nor is this -->',
    ];
    expect(sentences('page.md', page.join('\n'))).toEqual([
      [1, 5, 'A heading of five words'],
      [2, 3, 'One (e.g. this).'],
      [2, 6, 'Two: `a b. c` and [a link](docs/a b.md)!'],
      [2, 1, '**Three.**'],
      [3, 1, 'Four'],
      [5, 3, 'entry\n  goes on'],
      [7, 1, 'numbered'],
      [9, 2, 'a cell'],
      [9, 1, '`a|b`'],
    ]);
  });

  it('of source is in a comment, and not in a text, a template or a regular expression', () => {
    const source = [
      '/** One. Two',
      ' * goes on.',
      ' * @param a is a block of its own */',
      "const url = 'http://x'; // three",
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the source of a template
      'const t = `/* no ${a(`// no`) /* four */} no */`;',
      'const r = /[/*]no/.test(t) && 4 / 2; // five',
      '// six',
      '// seven',
      '// biome-ignore lint/x: speaks to a tool',
    ];
    expect(sentences('source.ts', source.join('\n'))).toEqual([
      [1, 1, 'One.'],
      [1, 3, 'Two\n * goes on.'],
      [3, 8, '@param a is a block of its own'],
      [4, 1, 'three'],
      [5, 1, 'four'],
      [6, 1, 'five'],
      [7, 2, 'six\n// seven'],
    ]);
  });

  it(`has at most ${MOST} words`, () => {
    expect(allSentences().length).toBeGreaterThan(5_000);
    expect(tooLong.map(({ file, line, words, text }) => `${file}:${line} ${words} words: ${text}`)).toEqual([]);
  });

  it('is an exception only where there is one', () => {
    const long = allSentences().filter(({ words }) => words > MOST);
    for (const begin of Object.keys(EXCEPTIONS))
      expect(
        long.some(({ text }) => text.startsWith(begin)),
        begin,
      ).toBe(true);
  });
});

describe('a line of a page', () => {
  it('is cut before its hundredth column, unless it is a table, code, or one long word', () => {
    const long = `${'word '.repeat(20)}end`;
    const page = ['```text', long, '```', `| ${long} |`, `# ${long}`, `- \`${long}\` ends`, long].join('\n');
    expect(linesToCut(page, 100)).toEqual([{ line: 7, text: long }]);
    const pages = FILES_WITH_PROSE.filter((file) => file.endsWith('.md'));
    const found = pages.flatMap((file) =>
      linesToCut(readFileSync(file, 'utf8'), 100).map(({ line, text }) => `${file}:${line} ${text}`),
    );
    expect(found).toEqual([]);
  });
});
