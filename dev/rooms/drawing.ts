import { ROOMS } from './rooms.ts';

const BEGINS = '<!-- rooms: npm run rooms writes what follows -->';
const ENDS = '<!-- rooms: end -->';
const WIDTH = 100;
const INDENT = 20;

/** Words in lines of at most `WIDTH` columns, each after the first indented. */
function wrapped(words: string[], first: string): string[] {
  const lines = [first];
  for (const word of words) {
    const line = lines.at(-1) as string;
    if (line.length + word.length + 1 > WIDTH) lines.push(`${' '.repeat(INDENT)}  ${word}`);
    else lines[lines.length - 1] = `${line} ${word}`;
  }
  return lines;
}

/** Every room of src: what it is for, and behind the arrow the rooms that it imports. */
export function drawing(): string {
  const lines = ROOMS.flatMap(({ name, purpose, imports }) => {
    const shown = `  ${name.endsWith('.ts') ? name : `${name}/`}`;
    const from = imports.map((target, n, all) => (n < all.length - 1 ? `${target},` : target));
    return [
      ...wrapped(purpose.split(' '), shown.padEnd(INDENT - 1)),
      ...(from.length > 0 ? wrapped(from, `${' '.repeat(INDENT)}←`) : []),
    ];
  });
  return ['```text', 'src/', ...lines, '```'].join('\n');
}

/** The page with the drawing between its two markers. Throws where they are missing. */
export function withDrawing(page: string): string {
  const [begin, end] = [page.indexOf(BEGINS), page.indexOf(ENDS)];
  if (begin < 0 || end < begin) throw new Error(`the page lacks ${BEGINS} and ${ENDS}`);
  return `${page.slice(0, begin)}${BEGINS}\n${drawing()}\n${page.slice(end)}`;
}
