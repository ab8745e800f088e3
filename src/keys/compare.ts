import type { KeyValue } from './types.ts';

/**
 * True when two keys of one table, both as the database prints them, name the same row. Compares column by column:
 * joined to one text, `['a,b', 'c']` and `['a', 'b,c']` would be the same.
 */
export const sameKey = (a: KeyValue, b: KeyValue): boolean =>
  a.length === b.length && a.every((part, i) => part === b[i]);
