import type { DeclaredPartner } from '../outside/declare.ts';
import type { AccountFacts } from '../outside/resolve.ts';
import { type Compiled, compile, type Found } from './compile.ts';
import type { Asks } from './declare.ts';
import { isPlain } from './filters.ts';
import { OWN_NAMES, variableOf } from './values.ts';

type Entry = Pick<DeclaredPartner, 'select' | 'each'>;

/** Variables that Lethe itself is configured with. */
const OWN_VARIABLE = /^(LETHE_|(DATABASE|REDIS)_URL$)/i;

/** A token (RFC 9110), as names of headers are. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Headers that belong to the connection, or that follow from the body. */
const OURS = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** What is wrong with a request of the catalog, each in words that say what to do. */
export function check(asks: Asks, entry: Entry, account: AccountFacts): string[] {
  const read = compile(asks);
  return [
    ...read.problems,
    ...[...new Set(read.found)].flatMap((found) => nameProblem(found, entry, account, read) ?? []),
    ...ownNames(entry),
    ...headerProblems(asks),
    ...bodyProblems(asks, read),
    ...identityProblems(read, entry),
    ...skipProblems(read, entry),
    ...selectProblems(read, entry, account),
  ].filter((words, index, all) => all.indexOf(words) === index);
}

function nameProblem(
  { place, position, slot, alone }: Found,
  entry: Entry,
  account: AccountFacts,
  read: Compiled,
): string | undefined {
  const { name, written, filters } = slot;
  const [own, ...rest] = name.split('.');
  const column = rest.join('.');
  const variable = variableOf(name);
  if (variable !== undefined && OWN_VARIABLE.test(variable))
    return `${place}: ${written} is Lethe's own, and nobody else is told it: name a variable of the service's`;
  if (own === 'answer') {
    if (position !== 'job' || column === '')
      return `${place}: ${written}: what an answer said stands in follow: alone, as {answer.place.in.its.json}`;
  } else if (own === 'account') {
    if (column !== '' && column !== account.key)
      return `${place}: ${written}: the account's key is ${account.key}: other columns are named by select:`;
  } else if (own === 'key' || own === 'keys') {
    if (!entry.each) return `${place}: ${written} needs each: a column of a location, whose rows the request is about`;
    if (own === 'keys' && !(position === 'body' && alone && place.startsWith('body')))
      return `${place}: ${written} is a list: it stands in body: as a text of its own`;
    if (own === 'key' && read.keysAtOnce > 1) return `${place}: ${written}: with {keys} a request is about many`;
  } else if (
    variable === undefined &&
    name !== 'id' &&
    name !== 'requestedAt' &&
    !Object.hasOwn(entry.select ?? {}, name)
  )
    return `${place}: unknown name ${written}; known are ${knownNames(entry).join(', ')}`;
  if (
    position === 'header' &&
    variable === undefined &&
    name !== 'id' &&
    name !== 'requestedAt' &&
    !place.startsWith('basic') &&
    !isPlain(filters)
  )
    return `${place}: ${written} may hold what no header can: write {${name}|urlencode}`;
  return undefined;
}

const knownNames = ({ select = {}, each }: Entry): string[] => [
  ...Object.keys(select).map((name) => `{${name}}`),
  '{account}',
  ...(each ? ['{key}', '{keys}'] : []),
  '{id}',
  '{requestedAt}',
  '{env:NAME}',
];

const ownNames = ({ select = {} }: Entry): string[] =>
  Object.keys(select)
    .filter((name) => (OWN_NAMES as readonly string[]).includes(name))
    .map((name) => `select.${name}: the templates have that name themselves: give it another`);

function headerProblems({ headers = {}, basic, follow }: Asks): string[] {
  return [
    ...problemsOf('headers', headers, basic !== undefined),
    ...problemsOf('follow.headers', follow?.headers ?? {}, basic !== undefined),
  ];
}

function problemsOf(place: string, headers: Readonly<Record<string, string>>, basic: boolean): string[] {
  const seen = new Set<string>();
  return Object.entries(headers).flatMap(([name, text]) => {
    const lower = name.toLowerCase();
    const twice = seen.has(lower);
    seen.add(lower);
    if (!TOKEN.test(name)) return [`${place}.${name}: no header has such a name`];
    if (OURS.has(lower)) return [`${place}.${name}: this header is written for you: leave it out`];
    if (twice) return [`${place}.${name}: stands there twice`];
    if (lower === 'authorization' && basic)
      return [`${place}.${name}: basic: writes it already: leave out one of them`];
    if (!/^[\x20-\x7e]*$/.test(text)) return [`${place}.${name}: has a character that no header can have`];
    return [];
  });
}

function bodyProblems({ method, body, form, keysAtOnce }: Asks, read: Compiled): string[] {
  const problems: string[] = [];
  if (body !== undefined && form) problems.push('body and form are two ways to say the same: leave out one of them');
  if (method === 'GET' && (body !== undefined || form)) problems.push('a GET has no body: name another method');
  if (keysAtOnce !== undefined && !read.found.some(({ slot }) => slot.name === 'keys'))
    problems.push('keysAtOnce counts what {keys} names, and the request has no {keys}');
  return problems;
}

/** True for names that tell whose data it is. */
const isIdentity = (name: string): boolean =>
  name !== 'id' && name !== 'requestedAt' && name.split('.')[0] !== 'answer' && variableOf(name) === undefined;

/** Names that say whose data goes: those of the URL and the body, by which a service finds it; else those of headers. */
function identities({ found }: Compiled): string[] {
  const named = found.filter(({ slot }) => isIdentity(slot.name));
  const said = named.filter(({ position }) => position === 'url' || position === 'body');
  return (said.length > 0 ? said : named.filter(({ position }) => position === 'header')).map(({ slot }) => slot.name);
}

function identityProblems(read: Compiled, { each }: Entry): string[] {
  const names = identities(read);
  if (names.length === 0)
    return ['the request names nobody: put {account}, or a name of select:, into its url or body'];
  if (each && !names.some(isOfKeys)) return ['with each: a request is about a key: put {key} into its url or body'];
  return [];
}

const isOfKeys = (name: string) => name === 'key' || name === 'keys';

function skipProblems({ skip }: Compiled, entry: Entry): string[] {
  const known = [...Object.keys(entry.select ?? {}), ...(entry.each ? ['key'] : [])];
  return skip
    .filter(({ name }) => !known.includes(name))
    .map(({ name, written }) => `skip: ${written}: ${name} is no name of select:${entry.each ? ', nor key' : ''}`);
}

/** The column of a name of `select:`. */
const columnOf = (select: Entry['select'], name: string): string => (select?.[name] ?? '').split('.').at(-1) ?? '';

/** Columns that would be read, and kept, for nothing. And columns that may be null, where nothing says what then. */
function selectProblems({ found, skip }: Compiled, { select = {} }: Entry, account: AccountFacts): string[] {
  return Object.keys(select).flatMap((name) => {
    if (skip.some((condition) => condition.name === name)) return [];
    if (!found.some(({ slot }) => slot.name === name))
      return [`select.${name} is named nowhere in the request: leave it out, since it would be kept for nothing`];
    return account.nullable(columnOf(select, name))
      ? [`select.${name} may be null: say what then, such as skip: when ${name} is null`]
      : [];
  });
}

/**
 * True where a service finds what it deletes by the account's key, whoever has it by then. False where it is told since when
 * it is asked, or of a key of a row, which is one row for ever.
 */
export function byKeyAlone(asks: Asks, { select = {} }: Entry, account: AccountFacts): boolean {
  const read = compile(asks);
  const names = identities(read);
  const isTimed = read.found.some(
    ({ slot, position }) => slot.name === 'requestedAt' && (position === 'url' || position === 'body'),
  );
  const isKey = (name: string) => name.split('.')[0] === 'account' || columnOf(select, name) === account.key;
  return !isTimed && !names.some(isOfKeys) && names.some(isKey);
}

/** Variables of the environment that the templates name. */
export const variablesOf = (asks: Asks): string[] => [
  ...new Set(compile(asks).found.flatMap(({ slot }) => variableOf(slot.name) ?? [])),
];
