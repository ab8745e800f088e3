import { readdirSync, readFileSync } from 'node:fs';

/** A fenced block of a page. `place`: `file:line`, as an editor opens it. */
export type Snippet = { file: string; place: string; language: string; text: string };

const pagesIn = (folder: string) =>
  readdirSync(folder, { recursive: folder !== '.' })
    .map((name) => (folder === '.' ? String(name) : `${folder}/${name}`))
    .filter((name) => name.endsWith('.md'));

/** Every page that people read, by its path. */
export const PAGES: ReadonlyMap<string, string> = new Map(
  ['.', 'docs', 'ops'].flatMap(pagesIn).map((file) => [file, readFileSync(file, 'utf8')]),
);

/** Every fenced block of every page, in order. */
export const SNIPPETS: readonly Snippet[] = [...PAGES].flatMap(([file, page]) =>
  [...page.matchAll(/^( *)```(\w*)\n([\s\S]*?)^\1```$/gm)].map(
    ({ index, 1: indent = '', 2: language = '', 3: text = '' }) => ({
      file,
      place: `${file}:${page.slice(0, index).split('\n').length}`,
      language,
      text: text.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
    }),
  ),
);

/** The commands of a shell snippet: continued lines are joined, comments left out. */
export const commandsOf = (text: string): string[] =>
  text
    .replace(/\\\n\s*/g, ' ')
    .split('\n')
    .map((line) => line.replace(/(^|\s+)#.*$/, '').trim())
    .filter(Boolean);

/** The words of a command, without their quotes. */
export const wordsOf = (command: string): string[] =>
  (command.match(/(?:[^\s"']|"[^"]*"|'[^']*')+/g) ?? []).map((word) =>
    word.replace(/"([^"]*)"|'([^']*)'/g, (_, double, single) => double ?? single),
  );

/** The code spans of a page's prose that begin with this program. */
export const spansOf = (page: string, program: string): string[] =>
  [...page.replace(/^( *)```[\s\S]*?^\1```$/gm, '').matchAll(/`([^`\n]+)`/g)]
    .map((match) => match[1] as string)
    .filter((code) => code.startsWith(`${program} `));
