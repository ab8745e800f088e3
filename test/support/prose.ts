import { readdirSync, readFileSync } from 'node:fs';

/** A sentence of a page or of a comment. `start` and `end`: where it stands in the file's text. `words`: a code span is one. */
export type Sentence = { file: string; line: number; start: number; end: number; text: string; words: number };

/** Text in which what is no prose is overwritten, character by character: positions are those of the file. */
type Masked = { masked: string; blocks: readonly (readonly [start: number, end: number])[] };

const fill = (text: string, by: string) => text.replace(/[^\n]/g, by);
/** A code span and a link's address are one word, whatever they hold. */
const asWords = (text: string): string =>
  text
    .replace(/`[^`\n]*(?:\n(?!\s*\n)[^`\n]*)?`/g, (span) => 'x'.repeat(span.length))
    .replace(/\]\([^)\s]*\)/g, (link) => 'x'.repeat(link.length));

/** Cuts a range at blank lines, and before each line that begins a list's entry, a heading, a table's row or a tag. */
function cut(masked: string, from: number, to: number): [number, number][] {
  const blocks: [number, number][] = [];
  let start = from;
  for (const { index } of masked
    .slice(from, to)
    .matchAll(/\n(?=[ \t]*(?:\n|[-*|#>@]|\d+\. ))|(?<=(?:^|\n)#[^\n]*)\n/g)) {
    blocks.push([start, from + index]);
    start = from + index + 1;
  }
  blocks.push([start, to]);
  return blocks.flatMap(([a, b]): [number, number][] => {
    if (!/^\s*\|/.test(masked.slice(a, b))) return [[a, b]];
    let cell = a;
    return [...masked.slice(a, b).matchAll(/\|/g)].map(({ index }) => {
      const at: [number, number] = [cell, a + index];
      cell = a + index + 1;
      return at;
    });
  });
}

/** A page without its fenced code, its comments and its front matter. */
function maskPage(text: string): Masked {
  const masked = asWords(
    text
      .replace(/^( *)```[\s\S]*?^\1```$/gm, (block) => fill(block, ' '))
      .replace(/<!--[\s\S]*?-->/g, (note) => fill(note, ' ')),
  );
  return { masked, blocks: cut(masked, 0, masked.length) };
}

/** A `/` begins a regular expression where no value stands before it. */
const beforeRegExp = /(?:^|[(,=:[!&|?{};\n>]|\breturn)\s*$/;

/** Where the comments of TypeScript or JavaScript stand, line comments that follow one another as one. */
function commentsOf(text: string): [number, number][] {
  const found: [number, number][] = [];
  const isAlone = (at: number) =>
    text.startsWith('//', at) && text.slice(text.lastIndexOf('\n', at - 1) + 1, at).trim() === '';
  /** Of the templates around this place: how many braces are open in the expression. */
  const open: number[] = [];
  let inTemplate = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i] as string;
    if (inTemplate) {
      if (c === '\\') i++;
      else if (c === '`') inTemplate = false;
      else if (c === '$' && text[i + 1] === '{') {
        open.push(0);
        inTemplate = false;
        i++;
      }
    } else if (c === '`') inTemplate = true;
    else if (c === '{' && open.length > 0) open.push((open.pop() as number) + 1);
    else if (c === '}' && open.length > 0) {
      const braces = open.pop() as number;
      if (braces === 0) inTemplate = true;
      else open.push(braces - 1);
    } else if (c === "'" || c === '"') {
      while (++i < text.length && text[i] !== c && text[i] !== '\n') if (text[i] === '\\') i++;
    } else if (text.startsWith('/*', i)) {
      const end = text.indexOf('*/', i + 2);
      found.push([i, end + 2]);
      i = end + 1;
    } else if (text.startsWith('//', i)) {
      const end = (text.indexOf('\n', i) + 1 || text.length + 1) - 1;
      const last = found.at(-1);
      if (last && isAlone(i) && isAlone(last[0]) && /^\n[ \t]*$/.test(text.slice(last[1], i))) last[1] = end;
      else found.push([i, end]);
      i = end - 1;
    } else if (c === '/' && beforeRegExp.test(text.slice(Math.max(0, i - 20), i))) {
      let inClass = false;
      while (++i < text.length && text[i] !== '\n' && (inClass || text[i] !== '/')) {
        if (text[i] === '\\') i++;
        else if (text[i] === '[') inClass = true;
        else if (text[i] === ']') inClass = false;
      }
    }
  }
  return found;
}

/** A line that speaks to a tool. */
const TO_TOOLS = /^[ \t]*(?:biome-ignore|@ts-|c8 |v8 ).*$/gm;

function maskSource(text: string): Masked {
  const masked = [...fill(text, ' ')];
  const blocks: [number, number][] = [];
  for (const [start, end] of commentsOf(text)) {
    const inside = text
      .slice(start, end)
      .replace(/^\/\*+|\*\/$/g, (mark) => fill(mark, ' '))
      .replace(/^([ \t]*)(\/\/+|\*(?!\*))/gm, (mark) => fill(mark, ' '))
      .replace(TO_TOOLS, (line) => fill(line, ' '));
    const words = asWords(inside);
    for (let i = 0; i < words.length; i++) masked[start + i] = words[i] as string;
    blocks.push([start, end]);
  }
  const whole = masked.join('');
  return { masked: whole, blocks: blocks.flatMap(([start, end]) => cut(whole, start, end)) };
}

/** A full stop after these ends no sentence. */
const ABBREVIATION = /(?:^|[\s(])(?:e\.g|i\.e|vs|cf|approx|incl|no)\.$/i;

/** The sentences of one file, whose name says what it is: a page, or source with comments. */
export function sentencesOf(file: string, text: string): Sentence[] {
  const { masked, blocks } = file.endsWith('.md') ? maskPage(text) : maskSource(text);
  const sentences: Sentence[] = [];
  for (const [from, to] of blocks) {
    const marker = /^\s*(?:(?:[-*>]|#+|\d+\.)\s+)?/.exec(masked.slice(from, to))?.[0].length ?? 0;
    let start = from + marker;
    const add = (end: number) => {
      const said = masked.slice(start, end);
      const words = said.split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word)).length;
      const first = start + (/\S/.exec(said)?.index ?? 0);
      const line = text.slice(0, first).split('\n').length;
      const last = first + said.trim().length;
      if (words > 0) sentences.push({ file, line, start: first, end: last, text: text.slice(first, last), words });
      start = end;
    };
    for (const { index, 0: stop } of masked.slice(start, to).matchAll(/[.!?…]["'”’)\]*_]*(?=\s|$)/g)) {
      const end = from + marker + index + stop.length;
      if (!ABBREVIATION.test(masked.slice(Math.max(from, end - 12), end))) add(end);
    }
    add(to);
  }
  return sentences;
}

const FOLDERS: Record<string, readonly string[]> = {
  '.md': ['docs', 'ops'],
  '.ts': ['src', 'test', 'bench', 'dev'],
  '.js': ['src'],
  '.mjs': ['test', 'scripts'],
};

/** Every file with prose that people read: the pages, and source with comments, by its path. */
export const FILES_WITH_PROSE: readonly string[] = [
  ...readdirSync('.').filter((name) => name.endsWith('.md')),
  ...Object.entries(FOLDERS).flatMap(([ending, folders]) =>
    folders.flatMap((folder) =>
      readdirSync(folder, { recursive: true })
        .map((name) => `${folder}/${name}`)
        .filter((name) => name.endsWith(ending) && !name.includes('/.')),
    ),
  ),
].sort();

/** Every sentence of every such file. */
export const allSentences = (): Sentence[] =>
  FILES_WITH_PROSE.flatMap((file) => sentencesOf(file, readFileSync(file, 'utf8')));

/** A sentence on one line, without the marks of a comment, and with `code` for each code span. */
export const plainText = (text: string): string =>
  text
    .replace(/`[^`]*`/g, '`code`')
    .replace(/\s*\n\s*(?:\*(?!\*)|\/\/)?\s*/g, ' ')
    .trim();

/** The lines of a page that could be cut before this column: no table, heading, picture or code. */
export function linesToCut(page: string, column: number): { line: number; text: string }[] {
  const lines = page.split('\n');
  return maskPage(page)
    .masked.split('\n')
    .map((masked, n) => ({ masked, text: lines[n] as string, line: n + 1 }))
    .filter(({ masked, text }) => [...text].length > column && /^ *[^|#!\s]/.test(masked))
    .filter(({ masked }) => /\S +\S/.test([...masked.replace(/^ *(?:[-*]|\d+\.) /, '')].slice(0, column).join('')))
    .map(({ line, text }) => ({ line, text }));
}
