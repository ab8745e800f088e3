/** What is wrong with an address, in words that hold none of its values: the password may be in any part. */
export class AddressProblem extends Error {}

/** What to do about characters that end the part that they stand in. */
export const ESCAPES = 'in user and password write % as %25, / as %2F, ? as %3F, # as %23 and @ as %40';

/** A percent-encoded part of an address, which `part` names. */
export function decodePart(text: string, part: string): string {
  if (/%(?![0-9a-f]{2})/i.test(text))
    throw new AddressProblem(`the ${part} holds a % that begins no escape; ${ESCAPES}`);
  try {
    return decodeURIComponent(text);
  } catch {
    throw new AddressProblem(`the ${part} holds escapes that are no UTF-8; ${ESCAPES}`);
  }
}

/** `user:password`, `:password`, `user` or nothing; what is empty is left out. */
export function readLogin(login: string): { username?: string; password?: string } {
  const [, username = '', password = ''] = /^([^:]*):?(.*)$/s.exec(login) as RegExpExecArray;
  return {
    ...(username === '' ? {} : { username: decodePart(username, 'user') }),
    ...(password === '' ? {} : { password: decodePart(password, 'password') }),
  };
}

/** The names and values behind a question mark, as they are written. */
export function readQuery(query: string): [name: string, value: string][] {
  return query
    .split('&')
    .filter(Boolean)
    .map((pair) => {
      const [, name = '', value = ''] = /^([^=]*)=?(.*)$/s.exec(pair) as RegExpExecArray;
      // Else it may be the end of a password that holds a question mark.
      if (!/^[a-z][\w.-]{0,40}$/i.test(name))
        throw new AddressProblem(`what follows the ? is no list of name=value; ${ESCAPES}`);
      return [name, value];
    });
}

/** What `read` returns, or the problem that it meets. */
export function orProblem<T>(read: () => T): T | { problem: string } {
  try {
    return read();
  } catch (error) {
    if (error instanceof AddressProblem) return { problem: error.message };
    throw error;
  }
}
