type Path = (string | number)[];

/** Never with the value: what is printed of a catalog ends in the logs of a build. */
export const NO_SECRET =
  'a secret does not stand in the catalog, which the database keeps: put it into a variable, and write its name with env:';

/** Keys whose values are secrets; headers are among them. */
const SECRET_KEY =
  /^(secret|password|passwd|passphrase|token|credentials?|authorization|api[-_]?key|(secret[-_]?)?access[-_]?key([-_]?id)?|private[-_]?key|.+[-_](secret|token|password|api-?key))$/i;

/** What services make their keys recognizable by, a token of a header, and a password in an address. */
const SECRET_TEXTS = [
  /\b[sr]k_(live|test)_\w{8,}/,
  /\bwhsec_[\w+/=]{8,}/,
  /\bAKIA[0-9A-Z]{12,}/,
  /\bgh[pousr]_\w{16,}/,
  /\bxox[abprs]-[\w-]{8,}/,
  /\beyJ[\w-]{8,}\.[\w-]+\./,
  /-----BEGIN [A-Z ]*PRIVATE KEY-----/,
  /^(Bearer|Basic)\s+[^{\s]{6,}/i,
  /^[a-z][a-z0-9+.-]*:\/\/[^/?#{}\s]*:[^/?#{}\s]+@/i,
];

/** The places of an entry where a secret is written out, instead of the variable that has it. */
export function findSecrets(written: unknown, key = '', path: Path = []): Path[] {
  if (typeof written === 'string') return isSecret(key, written) ? [path] : [];
  if (Array.isArray(written)) return written.flatMap((value, n) => findSecrets(value, key, [...path, n]));
  if (typeof written !== 'object' || written === null) return [];
  return Object.entries(written).flatMap(([name, value]) => findSecrets(value, name, [...path, name]));
}

/** A template takes its value from elsewhere, and `env:` says from where. */
const isSecret = (key: string, text: string): boolean =>
  (SECRET_KEY.test(key) && text !== '' && !/^env:/i.test(text) && !/\{[^}]+\}/.test(text)) ||
  SECRET_TEXTS.some((shape) => shape.test(text));
