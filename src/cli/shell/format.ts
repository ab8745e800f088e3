import { stripVTControlCharacters } from 'node:util';

const WIDE =
  /^[\p{Emoji_Presentation}\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}\u3000-\u303e\uff01-\uff60\uffe0-\uffe6]/u;
const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** Columns that a text takes on a terminal; colours take none. */
export function width(text: string): number {
  let columns = 0;
  for (const { segment } of graphemes.segment(stripVTControlCharacters(text)))
    columns += WIDE.test(segment) || segment.includes('\ufe0f') ? 2 : 1;
  return columns;
}

export type Column = { title: string; right?: boolean };

/** Rows under their titles, aligned, two spaces between columns. Cells are printable already, and may be coloured. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const lines = [columns.map((c) => c.title), ...rows];
  const widths = columns.map((_, i) => Math.max(...lines.map((line) => width(line[i] ?? ''))));
  return lines.map((line) =>
    columns
      .map((column, i) => {
        const cell = line[i] ?? '';
        const space = ' '.repeat((widths[i] as number) - width(cell));
        return column.right ? space + cell : cell + space;
      })
      .join('  ')
      .trimEnd(),
  );
}

/** `1,000,000`; a dash for what is not known. */
export const number = (value: number | null): string => (value === null ? '–' : value.toLocaleString('en-US'));

/** `2026-11-22 04:00:00 UTC`. */
export const time = (date: Date): string => `${date.toISOString().slice(0, 19).replace('T', ' ')} UTC`;

/** Milliseconds in words, rounded: `less than 1 s`, `42 s`, `3 min 5 s`, `2 h 10 min`, `3 d 4 h`. */
export function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 1) return 'less than 1 s';
  const units: [string, number][] = [
    ['d', 86_400],
    ['h', 3600],
    ['min', 60],
    ['s', 1],
  ];
  const first = units.findIndex(([, size]) => seconds >= size);
  let left = seconds;
  return units
    .slice(first, first + 2)
    .map(([name, size]) => {
      const count = Math.floor(left / size);
      left -= count * size;
      return count > 0 ? `${count} ${name}` : '';
    })
    .filter(Boolean)
    .join(' ');
}
