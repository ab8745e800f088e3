import type { Mutation } from './mutation.ts';

const SQL = 'src/erasers/sql.ts';
const TABLE = 'src/erasers/table.ts';
const EVERYTHING = 'src/erasers/everything.ts';
const EXACT = 'test/integration/exact.test.ts';
const IN_THE_WAY = 'test/integration/in-the-way.test.ts';
const SMALL = 'test/fault/small-accounts.test.ts';

/** How rows are picked and deleted: nobody else's, and none too many or too few. */
export const ERASERS: readonly Mutation[] = [
  {
    name: 'eraser-without-account',
    breaks: 'nobody else is touched: a range deletes its own account’s rows only',
    edits: [
      { file: SQL, find: '${belongsTo(alias, location.account, account)} AND ${above}', replace: '${above}' },
      {
        file: TABLE,
        find: "AS t WHERE ${where} AND ${belongsTo('t', location.account, account)}`",
        replace: 'AS t WHERE ${where}`',
      },
    ],
    tests: [EXACT],
  },
  {
    name: 'range-with-its-lower-bound',
    breaks: 'exact evidence: a range begins above the end of the one before',
    edits: [
      { file: SQL, find: '> ${values(location.key, lower)} AND', replace: '>= ${values(location.key, lower)} AND' },
    ],
    tests: [EXACT],
  },
  {
    name: 'range-without-its-upper-bound',
    breaks: 'exact evidence: a range ends with its last row',
    edits: [{ file: SQL, find: '<= ${values(location.key, upper)}`', replace: '< ${values(location.key, upper)}`' }],
    tests: [EXACT],
  },
  {
    name: 'foreign-rows-cascade',
    breaks: 'nobody else is touched: rows of another account below a parent are an error, never a cascade',
    edits: [
      { file: TABLE, find: 'await refuseForeignRows(tx, location, child, reference, account, keys);', replace: '' },
      { file: TABLE, find: 'occupied.push(', replace: 'void (' },
    ],
    tests: [IN_THE_WAY],
  },
  {
    name: 'skip-locked-removed',
    breaks: 'the application wins: rows that it holds are left, and the others go on',
    edits: [{ file: TABLE, find: '`FOR UPDATE OF t SKIP LOCKED`', replace: '`FOR UPDATE OF t`' }],
    tests: [IN_THE_WAY],
  },
  {
    name: 'small-parents-cascade',
    breaks: 'nobody else is touched: a parent that another account’s row references stays',
    edits: [{ file: EVERYTHING, find: '${sql.join(free)}', replace: '' }],
    tests: [SMALL],
  },
  {
    name: 'small-parents-unlocked',
    breaks: 'nobody else is touched: no row comes in below a parent between the look and the deletion',
    edits: [
      {
        file: EVERYTHING,
        find: '[() => lockAll(tx, location, account), erase(location)]',
        replace: '[erase(location)]',
      },
    ],
    tests: [SMALL],
  },
  {
    name: 'row-security-filters',
    breaks: 'nothing is left: a policy that hides rows is an error, not an empty table',
    edits: [
      {
        file: 'src/db/transaction.ts',
        find: "set_config('row_security', 'off', true)",
        replace: "set_config('row_security', 'on', true)",
      },
    ],
    tests: ['test/integration/catalog-grants.test.ts'],
  },
];
