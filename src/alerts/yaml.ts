import { yamlText } from './escape.ts';

/** What a file holds. The key `#` is no entry: its text is a comment before the others. */
export type Yaml = string | number | readonly Yaml[] | { readonly [key: string]: Yaml | undefined };

/** Texts that every reader of YAML takes for a text without quotes. */
const PLAIN = /^(?:[A-Za-z][\w ./(),+-]*[\w)]|\d+[smhd])$/;
const WORDS = /^(?:yes|no|on|off|true|false|null)$/i;
const PRINTABLE = /^[\x20-\x7e]*$/;
/** Lines of a statement: they stand below each other as they are. */
const BLOCK = /^[\x21-\x7e][\x20-\x7e]*(?:\n[\x20-\x7e]*[\x21-\x7e])+$/;

/** Prints a file. Texts of others are quoted, so that they cannot be read as anything else. */
export const printYaml = (file: { readonly [key: string]: Yaml | undefined }): string =>
  `${entries(file, '').join('\n')}\n`;

function entries(map: { readonly [key: string]: Yaml | undefined }, indent: string): string[] {
  return Object.entries(map).flatMap(([key, value]) => {
    if (value === undefined) return [];
    if (key === '#')
      return String(value)
        .split('\n')
        .map((line) => `${indent}# ${line}`);
    return entry(`${indent}${key}:`, value, indent);
  });
}

function entry(head: string, value: Yaml, indent: string): string[] {
  if (typeof value === 'number') return [`${head} ${value}`];
  if (typeof value === 'string') return text(head, value, indent);
  if (!Array.isArray(value)) return [head, ...entries(value as { readonly [key: string]: Yaml }, `${indent}  `)];
  if (value.length === 0) return [`${head} []`];
  return [head, ...value.flatMap((item: Yaml) => listed(item, `${indent}  `))];
}

function text(head: string, value: string, indent: string): string[] {
  if (PLAIN.test(value) && !WORDS.test(value)) return [`${head} ${value}`];
  if (PRINTABLE.test(value) && /["\\]/.test(value)) return [`${head} '${value.replaceAll("'", "''")}'`];
  if (!BLOCK.test(value)) return [`${head} ${yamlText(value)}`];
  return [`${head} |-`, ...value.split('\n').map((line) => `${indent}  ${line}`)];
}

/** An item of a list: its first line stands behind the dash, its comment above. */
function listed(item: Yaml, indent: string): string[] {
  if (typeof item !== 'object' || Array.isArray(item)) return entry(`${indent}-`, item, indent);
  const { '#': comment, ...map } = item as { readonly [key: string]: Yaml | undefined };
  const [first = '', ...others] = entries(map, `${indent}  `);
  const above = comment === undefined ? [] : entries({ '#': comment }, indent);
  return [...above, `${indent}- ${first.slice(indent.length + 2)}`, ...others];
}
