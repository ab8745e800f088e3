import type { Mutation } from './mutation.ts';

const SQL = 'src/locations/table/rows/rows-between.ts';
const TABLE = 'src/locations/table/rows/erase-rows.ts';
const EVERYTHING = 'src/locations/table/rows/everything.ts';
const EXACT = 'test/integration/exact.test.ts';
const IN_THE_WAY = 'test/integration/in-the-way.test.ts';
const SMALL = 'test/fault/small-accounts.test.ts';
const TRIGGERS = 'test/integration/triggers.test.ts';

/** How rows are picked and deleted: nobody else's, and none too many or too few. */
export const ERASERS: readonly Mutation[] = [
  {
    name: 'eraser-without-account',
    breaks: 'nobody else is touched: a range deletes its own account’s rows only',
    edits: [
      { file: SQL, find: '${belongsTo(alias, location.account, account)} AND ${above}', replace: '${above}' },
      {
        file: TABLE,
        find: "sql`${where} AND ${belongsTo('t', location.account, account)}`",
        replace: 'sql`${where}`',
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
      { file: TABLE, find: 'await refuseForeignRows(tx, below, account);', replace: '' },
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
    name: 'ignored-deletion-unseen',
    breaks: 'nothing is left, or it is not complete: a row that stays although it was locked and deleted is an error',
    edits: [{ file: TABLE, find: "await refuseIgnored(tx, location, 'DELETE', ignored.length);", replace: 'void 0;' }],
    tests: [TRIGGERS],
  },
  {
    name: 'trigger-deletions-uncounted',
    breaks: 'exact evidence: what a trigger deletes from a listed table is in the ledger',
    edits: [
      { file: 'src/locations/table/side-effects.ts', find: 'if (more > 0) besides.set(name, more);', replace: '' },
    ],
    tests: [TRIGGERS],
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
        file: 'src/store/transaction.ts',
        find: "set_config('row_security', 'off', true)",
        replace: "set_config('row_security', 'on', true)",
      },
    ],
    tests: ['test/integration/catalog-grants.test.ts'],
  },
];
