/** No character that separates, encloses or controls in the head of a mail (RFC 5322, specials), and no spaces. */
const ATOM = String.raw`[^\s@,;:<>()[\]\\"\p{C}]+`;
const ONE_ADDRESS = new RegExp(`^${ATOM}@${ATOM}$`, 'u');
const NAMED = /^(?:"[^"\\\p{C}]+"|[^<>"@,;:\\\p{C}]+) <([^<>]+)>$/u;
/** Longest address that a mail server must take (RFC 5321). */
const LONGEST = 254;

/** True for one address and nothing else: no name, no list, no line break. It comes from the application's column, which users fill. */
export const isAddress = (text: string): boolean => text.length <= LONGEST && ONE_ADDRESS.test(text);

/** True for one address, alone or as `Name <address>`. */
export const isSender = (text: string): boolean => isAddress(NAMED.exec(text)?.[1] ?? text);
