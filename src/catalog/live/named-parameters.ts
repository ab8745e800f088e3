/** A piece of a statement: text as it stands, or a parameter by its name. `field`: what stands after the name's dot. */
export type Piece = { readonly text: string } | { readonly parameter: string; readonly field?: string | undefined };

/** A statement of an operator. `words`: its unquoted words in capitals, in order, and `(`. */
export type NamedStatement = {
  readonly pieces: readonly Piece[];
  readonly words: readonly string[];
  readonly problems: readonly string[];
};

/** What PostgreSQL reads as one piece, whatever stands in it, tried in this order. */
const QUIET: readonly RegExp[] = [
  /--[^\n\r]*/y,
  // With backslashes.
  /[eE]'(?:[^'\\]|\\[\s\S]|'')*(?:'|$)/y,
  /'(?:[^']|'')*(?:'|$)/y,
  /"(?:[^"]|"")*(?:"|$)/y,
];
const DOLLAR_QUOTE = /\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/y;
/** A dollar sign may stand inside a name, but not at its begin. */
const WORD = /[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y;
const NUMBER = /[0-9][\w.]*/y;
const PARAMETER = /\$([A-Za-z_][A-Za-z0-9_]*)(?:\.([A-Za-z_][A-Za-z0-9_]*))?/y;
const POSITION = /\$[0-9]+/y;

const at = (pattern: RegExp, text: string, from: number): RegExpExecArray | null => {
  pattern.lastIndex = from;
  return pattern.exec(text);
};

/** Comments of this form may stand inside one another. */
function endOfComment(text: string, from: number): number {
  let depth = 0;
  for (let i = from; i < text.length; i++) {
    if (text.startsWith('/*', i)) depth += 1;
    else if (text.startsWith('*/', i)) depth -= 1;
    else continue;
    i += 1;
    if (depth === 0) return i + 1;
  }
  return text.length;
}

function endOfQuiet(text: string, from: number): number | undefined {
  if (text.startsWith('/*', from)) return endOfComment(text, from);
  for (const pattern of QUIET) {
    const found = at(pattern, text, from);
    if (found) return from + found[0].length;
  }
  const opened = at(DOLLAR_QUOTE, text, from);
  if (!opened) return undefined;
  const closed = text.indexOf(opened[0], from + opened[0].length);
  return closed < 0 ? text.length : closed + opened[0].length;
}

/**
 * Takes a statement apart at its `$name`s, as PostgreSQL would read it. A name inside quotes, dollar quotes, comments or
 * another name is left alone. A semicolon may stand at the end only: what is bound cannot hold several statements.
 */
export function readNamed(text: string, names: readonly string[]): NamedStatement {
  const pieces: Piece[] = [];
  const words: string[] = [];
  const problems: string[] = [];
  let plain = '';
  let ended = false;
  const push = (piece: Piece) => {
    if (plain) pieces.push({ text: plain });
    plain = '';
    pieces.push(piece);
  };
  for (let i = 0; i < text.length; ) {
    const quiet = endOfQuiet(text, i);
    if (quiet !== undefined) {
      const isComment = text.startsWith('--', i) || text.startsWith('/*', i);
      if (ended && !isComment) problems.push(SEVERAL);
      // A comment at the end would swallow what is put around the statement.
      plain += isComment ? ' ' : text.slice(i, quiet);
      i = quiet;
      continue;
    }
    const parameter = at(PARAMETER, text, i);
    const other = parameter ?? at(POSITION, text, i) ?? at(WORD, text, i) ?? at(NUMBER, text, i);
    const found = other?.[0] ?? (text[i] as string);
    if (ended && /[^\s;]/.test(found)) problems.push(SEVERAL);
    if (parameter) {
      const [, name = '', field] = parameter;
      if (!names.includes(name)) problems.push(`unknown $${name}: expected ${inWords(names)}`);
      push({ parameter: name, field });
    } else if (other && found.startsWith('$')) problems.push(`${found}: expected ${inWords(names)} in its place`);
    else if (found === ';') ended = true;
    else {
      plain += found;
      if (other && /^[^0-9]/.test(found)) words.push(found.toUpperCase());
      if (found === '(') words.push(found);
    }
    i += found.length;
  }
  if (plain.trim()) push({ text: '' });
  return { pieces: pieces.filter((p) => 'parameter' in p || p.text !== ''), words, problems: [...new Set(problems)] };
}

const SEVERAL = 'one statement is expected: each has an entry of its own';
const inWords = (names: readonly string[]) => names.map((name) => `$${name}`).join(' or ');
