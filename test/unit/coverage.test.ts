import { expect, it } from 'vitest';
import { singular } from '../../src/catalog/checks/words.ts';
import { parseCatalog } from '../../src/catalog/load.ts';
import { UsageError } from '../../src/errors.ts';

const CATALOG =
  'account: { table: accounts, key: id }\nlocations: [{ table: posts, account: account_id, owner: reader }]\n';
const parse = (ignore: string) => parseCatalog(`${CATALOG}ignore: [${ignore}]\n`, 'cat');

it.each([
  ['accounts', 'account'],
  ['companies', 'company'],
  ['boxes', 'box'],
  ['addresses', 'address'],
  ['houses', 'house'],
  ['user', 'user'],
  ['boss', 'boss'],
  ['Users', 'User'],
])('one of %s is a %s', (many, one) => {
  expect(singular(many)).toBe(one);
});

it.each([
  [
    'a location',
    '{ table: public.posts, reason: x }',
    'ignore.0: table public.posts is listed at locations.0: it cannot be both',
  ],
  ['the account table', '{ table: accounts, reason: x }', 'ignore.0: accounts is the account table'],
  [
    'a table twice',
    '{ table: logs, reason: x }, { table: public.logs, reason: x }',
    'ignore.1: table public.logs is listed twice, first at ignore.0',
  ],
  [
    'an account column',
    '{ column: public.posts.account_id, reason: x }',
    'ignore.0: column public.posts.account_id is the account column of locations.0: it cannot be both',
  ],
  [
    'a column twice',
    '{ column: posts.a, reason: x }, { column: public.posts.a, reason: x }',
    'ignore.1: column public.posts.a is listed twice, first at ignore.0',
  ],
  [
    'a column of no table',
    '{ column: a, reason: x }',
    'ignore.0.column: expected table.column, or schema.table.column',
  ],
  [
    'a table and a column at once',
    '{ table: logs, column: logs.a, reason: x }',
    'ignore.0: logs: expected a table or a column, and one of them only',
  ],
  ['a table without a reason', '{ table: logs, reason: " " }', 'ignore.0.reason: logs: expected a reason'],
])('a catalog that ignores %s is refused', (_, ignore, problem) => {
  let problems: readonly string[] = [];
  try {
    parse(ignore);
  } catch (error) {
    problems = error instanceof UsageError ? error.problems : [];
  }
  expect(problems).toEqual([`cat: ${problem}`]);
});

it('what is ignored changes no erasure, so not the digest either', () => {
  const { digest, ignore } = parse('{ table: logs, reason: no accounts in it }');
  expect(ignore).toEqual([{ table: 'logs', reason: 'no accounts in it' }]);
  expect(digest).toBe(parseCatalog(CATALOG).digest);
});
