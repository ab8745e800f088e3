import { createHash } from 'node:crypto';

const digest = (algorithm: string) => (text: string) => createHash(algorithm).update(text, 'utf8').digest('hex');

/** Percent-encodes all that has a meaning in a URL. Half a surrogate pair, which no encoding has, becomes U+FFFD. */
export const percentEncode = (text: string): string =>
  encodeURIComponent(
    text.replaceAll(/[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g, '\uFFFD'),
  );

/** What a template can make of a value before it says it: `{email|lower|md5}`. Digests are hexadecimal. */
const FILTERS = {
  lower: (text: string) => text.toLowerCase(),
  upper: (text: string) => text.toUpperCase(),
  trim: (text: string) => text.trim(),
  md5: digest('md5'),
  sha1: digest('sha1'),
  sha256: digest('sha256'),
  base64: (text: string) => Buffer.from(text, 'utf8').toString('base64'),
  base64url: (text: string) => Buffer.from(text, 'utf8').toString('base64url'),
  urlencode: percentEncode,
} as const satisfies Record<string, (text: string) => string>;

export type Filter = keyof typeof FILTERS;

export const FILTER_NAMES = Object.keys(FILTERS) as readonly Filter[];

export const isFilter = (name: string): name is Filter => Object.hasOwn(FILTERS, name);

/** Filters whose result is plain letters, digits and signs, whatever the value was. */
const PLAIN: ReadonlySet<Filter> = new Set(['md5', 'sha1', 'sha256', 'base64', 'base64url', 'urlencode']);

/** True where whatever comes out of these filters may stand in a header. */
export const isPlain = (filters: readonly Filter[]): boolean => filters.some((filter) => PLAIN.has(filter));

export const applyFilters = (filters: readonly Filter[], text: string): string =>
  filters.reduce((value, filter) => FILTERS[filter](value), text);
