import { randomInt } from 'node:crypto';
import { problemOfSecrets } from '../sign.ts';

/** Whom is tested, and with what. Times in milliseconds. */
export type Target = {
  readonly url: string;
  /** Where test data is planted; undefined: that is not tested. */
  readonly canary: string | undefined;
  /** What messages are signed with, and the variable that has it. */
  readonly secret: string;
  readonly secretName: string;
  /** The keys of an account that it does not have, and of one that is planted there. */
  readonly account: Readonly<Record<string, string>>;
  readonly planted: Readonly<Record<string, string>>;
  /** For each answer. */
  readonly timeoutMs: number;
  /** Until an acknowledgement, and until test data is gone. */
  readonly withinMs: number;
  /** Where the partner reaches this process; undefined: on this machine only. */
  readonly acknowledgeAt: string | undefined;
};

/** What was typed. `accounts` and `columns`: the parts of one key, in the same order. */
export type Typed = {
  readonly url: string;
  readonly canary?: string | undefined;
  readonly secretName: string;
  readonly accounts: readonly string[];
  readonly columns: readonly string[];
  readonly acknowledgeAt?: string | undefined;
};

/** What is wrong with it, a line for each: never with the secret, which somebody may type in the place of its variable. */
export function problemsOf(typed: Typed, variable: (name: string) => string | undefined): string[] {
  const { accounts, columns, secretName } = typed;
  const problems = [
    ...addressProblem('the address', typed.url),
    ...addressProblem('--canary', typed.canary),
    ...addressProblem('--acknowledge-at', typed.acknowledgeAt),
  ];
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(secretName) || /^wh(sec|sk|pk)_/.test(secretName))
    problems.push('--secret: expected the name of a variable that has the secret, such as SEARCH_SECRET');
  else {
    const secret = variable(secretName);
    const wrong = secret === undefined ? 'is not set' : problemOfSecrets(secret);
    if (wrong) problems.push(`${secretName}: ${wrong}`);
  }
  if (accounts.length > 0 && accounts.length !== columns.length)
    problems.push(`--account: expected one for each --column, which are ${columns.join(', ')}`);
  if (accounts.includes('')) problems.push('--account: expected a key that is not empty');
  if (new Set(columns).size < columns.length) problems.push('--column: a name is given twice');
  return problems;
}

function addressProblem(of: string, url: string | undefined): string[] {
  if (url === undefined) return [];
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    return [`${of}: expected a URL such as http://localhost:8080/erasures`];
  const { username, password } = new URL(url);
  if (username !== '' || password !== '')
    return [`${of}: expected a URL without user and password: messages are signed`];
  return url.includes('#') ? [`${of}: expected a URL without #`] : [];
}

/** Numbers beyond those that a sequence reaches, and within 64 bits: nobody has such a key. */
const nobodysKey = () => `9${Array.from({ length: 17 }, () => randomInt(10)).join('')}`;

/** The keys that are tested with: what was typed, or numbers that no account has. */
export function keysOf({
  accounts,
  columns,
}: Pick<Typed, 'accounts' | 'columns'>): Pick<Target, 'account' | 'planted'> {
  const made = () => Object.fromEntries(columns.map((name, n) => [name, accounts[n] ?? nobodysKey()]));
  return { account: made(), planted: made() };
}
