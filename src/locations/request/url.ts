import { percentEncode } from './filters.ts';
import { parseTemplate, say, slotsOf, type Template } from './template.ts';
import { type Telling, textOf, Unsayable } from './values.ts';

/** An address in parts that a value cannot leave: its segments, and what follows the question mark. */
export type UrlTemplate = {
  /** Such as `https://api.stripe.com`: never of a value. */
  readonly origin: string;
  readonly segments: readonly Template[];
  readonly query: Template | null;
};

const SHAPE = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)([^?#]*)(?:\?([^#]*))?(#.*)?$/is;

/** What may stand in a path or a query as it is written (RFC 3986): everything else is percent-encoded by whoever writes it. */
const LITERAL = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?]|%[0-9A-Fa-f]{2})*$/;

/** Segments that a client or a server takes away together with the one before. */
const DOTS = /^(?:\.|%2e){1,2}$/i;

/** Reads the address of a request. `problems`: all that is wrong with it, in words. */
export function parseUrl(text: string): { url: UrlTemplate; problems: string[] } {
  const problems: string[] = [];
  const [, scheme = '', authority = '', path = '', query, fragment] = SHAPE.exec(text) ?? [];
  const template = (part: string): Template => {
    const read = parseTemplate(part);
    problems.push(...read.problems);
    const strange = read.template.find((piece) => typeof piece === 'string' && !LITERAL.test(piece));
    if (strange !== undefined) problems.push('has a character that no URL has as it is: write it percent-encoded');
    for (const { written, filters } of slotsOf(read.template))
      if (filters.includes('urlencode'))
        problems.push(`${written}: a value in a URL is percent-encoded anyway: leave out |urlencode`);
    return read.template;
  };
  problems.push(
    ...(scheme === ''
      ? ['expected a URL such as https://api.example.com/users/{account}']
      : originProblems(scheme, authority)),
  );
  if (fragment !== undefined) problems.push('what follows # is never sent: leave it out');
  const segments = path.split('/').slice(1).map(template);
  if (segments.some(([part, ...more]) => typeof part === 'string' && more.length === 0 && DOTS.test(part)))
    problems.push('has a segment of dots: write the path that is meant');
  return {
    url: {
      origin: `${scheme}://${authority}`.toLowerCase(),
      segments,
      query: query === undefined ? null : template(query),
    },
    problems,
  };
}

function originProblems(scheme: string, authority: string): string[] {
  if (/[{}]/.test(authority))
    return ['the host stands in the catalog as it is: no value and no variable may be part of it'];
  if (authority.includes('@')) return ['leave out the user in front of the host: write basic: { user, password }'];
  const origin = `${scheme}://${authority}`.toLowerCase();
  if (!/^https?$/i.test(scheme) || !URL.canParse(origin) || new URL(origin).host.length === 0)
    return ['expected a URL that begins with https:// and a host'];
  const { hostname, host } = new URL(origin);
  if (host !== authority.toLowerCase() && !/:(80|443)$/.test(authority))
    return [`write the host as it is looked up: ${host}`];
  if (scheme.toLowerCase() === 'http' && !isNear(hostname))
    return ['expected https://: without it a value, and the credential, can be read on the way'];
  return [];
}

/** Hosts that no public name or address has; that they may be called is what the operator allows. */
const isNear = (host: string) =>
  /^(localhost|[a-z0-9-]+|127\.\d+\.\d+\.\d+|10\.\d+\.\d+\.\d+|192\.168\.\d+\.\d+|172\.(1[6-9]|2\d|3[01])\.\d+\.\d+|\[::1\])$/.test(
    host,
  ) || /\.(internal|local|localhost|test)$/.test(host);

/** The address of one request. Values are percent-encoded: none can add or take away a segment, a parameter or a fragment. */
export function sayUrl({ origin, segments, query }: UrlTemplate, told: Telling): string {
  const encoded = (template: Template) => say(template, (slot) => percentEncode(textOf(slot, told)));
  const path = segments.map((segment) => {
    const said = encoded(segment);
    const [slot] = slotsOf(segment);
    if (slot && DOTS.test(said))
      throw new Unsayable(`${slot.written} would make a segment of dots, which means another place`);
    return `/${said}`;
  });
  return `${origin}${path.join('') || '/'}${query === null ? '' : `?${encoded(query)}`}`;
}
