import { stripVTControlCharacters } from 'node:util';

export type Output = NodeJS.WritableStream & { isTTY?: boolean; columns?: number; hasColors?: () => boolean };

/** Where a command reads and writes. The environment is the process's own unless one is given. */
export type Terminal = {
  out: Output;
  err: Output;
  input: NodeJS.ReadableStream & { isTTY?: boolean };
  env?: NodeJS.ProcessEnv;
  /** 0 done, 1 failed, 2 wrong usage or configuration. */
  exitCode: number;
};

/** The terminal of this process. A reader that has seen enough (`| head`) is no error. */
export function processTerminal(): Terminal {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
  return { out: process.stdout, err: process.stderr, input: process.stdin, exitCode: 0 };
}

/** What moves the cursor, changes colours, hides or reorders text, also where it is not assigned yet. Joiners stay: scripts and emoji need them. */
const UNPRINTABLE = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\u2060-\u206f\u{e0000}-\u{e007f}]/gu;

/** Text of a database or a user on one line, without anything that a terminal would obey. */
export function printable(text: string): string {
  return stripVTControlCharacters(text)
    .replace(/[\t\r\n\u2028\u2029]+/g, ' ')
    .replace(UNPRINTABLE, '');
}

const HIDDEN = /[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\u{e0000}-\u{e007f}]/gu;
const escaped = (char: string) =>
  char
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('');

/** JSON of one document. JSON itself leaves C1 and what reorders text as it is; here it is escaped, and so loses nothing. */
export const json = (value: unknown, indent?: number): string =>
  JSON.stringify(value, null, indent).replace(HIDDEN, escaped);

const COLOURS = { red: 31, green: 32, yellow: 33, grey: 90, bold: 1 } as const;
export type Paint = (colour: keyof typeof COLOURS, text: string) => string;

/** Colours where the output is a terminal that has them, and NO_COLOR does not forbid them. */
export function painter(out: Output): Paint {
  const on = out.isTTY === true && out.hasColors?.() === true;
  return (colour, text) => (on ? `\u001b[${COLOURS[colour]}m${text}\u001b[0m` : text);
}
