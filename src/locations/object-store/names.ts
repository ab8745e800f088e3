/** S3 has no longer keys: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html. Bytes of UTF-8. */
const LONGEST_KEY = 1024;
/** What a prefix may take of it in the catalog. */
const LONGEST_PATTERN = 512;

const PLACEHOLDER = /\{([^{}]*)\}/g;

/** ASCII control characters: no name of a file has them by intention. */
const isControl = (char: string) => char < ' ' || char === '\u007f';
const hasControl = (text: string) => [...text].some(isControl);

/** What is wrong with a pattern that may have these placeholders, `must` among them. */
function patternProblem(pattern: string, must: string, may: readonly string[], why: string): string | undefined {
  const found = [...pattern.matchAll(PLACEHOLDER)].map(([, name]) => `${name}`);
  const unknown = found.find((name) => !may.includes(name));
  if (unknown !== undefined || /[{}]/.test(pattern.replace(PLACEHOLDER, '')))
    return `${pattern}: only ${may.map((name) => `{${name}}`).join(' and ')} can stand in it`;
  if (!found.includes(must)) return `${pattern}: {${must}} is missing: ${why}`;
  if (pattern.length > LONGEST_PATTERN) return `it is longer than ${LONGEST_PATTERN} characters`;
  return hasControl(pattern) ? 'it has a control character' : undefined;
}

/** What is wrong with the prefix of a catalog, in words. */
export function prefixProblem(pattern: string): string | undefined {
  const problem = patternProblem(pattern, 'account', ['account'], 'the files of all accounts would be deleted');
  if (problem) return problem;
  if (!pattern.endsWith('/'))
    return `${pattern}: it must end in a slash: the prefix of account 4 would take the files of account 42`;
  return segmentProblem(pattern.slice(0, -1)) && `${pattern}: ${segmentProblem(pattern.slice(0, -1))}`;
}

/** What is wrong with the key of a catalog, in words. */
export const keyProblem = (pattern: string): string | undefined =>
  patternProblem(pattern, 'key', ['key', 'account'], 'all rows would name the same file');

/** Stores and browsers read such parts of a path as another path. */
function segmentProblem(path: string): string | undefined {
  const segments = path.split('/');
  if (segments.includes('')) return 'a part between two slashes is empty';
  return segments.some((part) => part === '.' || part === '..') ? 'a part between two slashes is . or ..' : undefined;
}

const fill = (pattern: string, values: Readonly<Record<string, string>>): string =>
  pattern.replace(PLACEHOLDER, (_whole, name: string) => values[name] as string);

/** The account's key as it can stand between two slashes, or why it cannot. It has one column. */
export function accountPart(account: Readonly<Record<string, string>>): { part: string } | { problem: string } {
  const values = Object.values(account);
  const [part] = values;
  if (values.length !== 1 || part === undefined) return { problem: 'the account has not exactly one key' };
  if (part.includes('/') || hasControl(part)) return { problem: "the account's key has a slash or control character" };
  return segmentProblem(part) ? { problem: "the account's key is empty, . or .." } : { part };
}

/** What all files of one account begin with, and no file of another account. */
export function prefixOf(
  pattern: string,
  account: Readonly<Record<string, string>>,
): { prefix: string } | { problem: string } {
  const of = accountPart(account);
  if ('problem' in of) return of;
  const prefix = fill(pattern, { account: of.part });
  const problem = prefixProblem(pattern) ?? segmentProblem(prefix.slice(0, -1));
  return problem ? { problem: `the prefix cannot be used: ${problem}` } : { prefix };
}

/** The key of the file that a row names. Null: no file can have that key. */
export function fileKey(pattern: string, value: string, account: string): string | null {
  if (value === '') return null;
  const key = fill(pattern, { key: value, account });
  return Buffer.byteLength(key) > LONGEST_KEY ? null : key;
}

/** Characters that XML 1.0 cannot carry, so that DeleteObjects cannot name such a key. */
export const fitsXml = (key: string): boolean =>
  [...key].every((char) => {
    const code = char.codePointAt(0) as number;
    if (code < 0x20) return code === 0x09 || code === 0x0a || code === 0x0d;
    return !(code >= 0xd800 && code <= 0xdfff) && code !== 0xfffe && code !== 0xffff;
  });
