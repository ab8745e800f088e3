import { parse } from 'yaml';
import type { AccountFacts } from '../../src/locations/outside/resolve.ts';
import { check } from '../../src/locations/request/check.ts';
import { compile } from '../../src/locations/request/compile.ts';
import { type Asks, asks } from '../../src/locations/request/declare.ts';
import { sayRequest } from '../../src/locations/request/say.ts';
import type { Telling } from '../../src/locations/request/values.ts';

/** An account's table whose key is `id`, and whose columns are never null. */
export const ACCOUNT: AccountFacts = { key: 'id', nullable: () => false };

/** A `request:` as it stands in YAML. */
export const readAsks = (yaml: string): Asks => asks.parse(parse(yaml));

type Entry = { select?: Record<string, string>; each?: string };

/** What is said of it when a catalog is loaded. */
export const problemsOf = (yaml: string, entry: Entry = {}, account = ACCOUNT): string[] =>
  check(readAsks(yaml), entry, account);

export const TOLD: Telling = {
  account: { id: '42' },
  values: {},
  requestedAt: new Date('2026-11-28T07:00:00.000Z'),
  id: '019ad000-0000-7000-8000-000000000001',
  keys: [],
  variable: (name) => (name === 'KEY' ? 'sk_test' : undefined),
};

/** The request that a template becomes. */
export const said = (yaml: string, told: Partial<Telling> = {}) =>
  sayRequest(compile(readAsks(yaml)), { ...TOLD, ...told });
