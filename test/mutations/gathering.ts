import type { Mutation } from './mutation.ts';

const GATHERING = 'test/integration/gathering.test.ts';

/** What partners are told of rows is kept when the rows go. */
export const GATHERING_MUTATIONS: readonly Mutation[] = [
  {
    name: 'picked-rows-not-gathered',
    breaks: 'partners are told of rows that went with their parents, or past locked ones',
    edits: [
      {
        file: 'src/locations/table/rows/erase-rows.ts',
        find: 'const told = toldOf(catalog, location.name);\n  const statement = sql`WITH picked',
        replace: "const told = toldOf(catalog, '');\n  const statement = sql`WITH picked",
      },
    ],
    tests: [GATHERING],
  },
  {
    name: 'account-row-not-gathered',
    breaks: "partners are told of the columns of the account's row that they asked for",
    edits: [
      { file: 'src/locations/account/row.ts', find: 'toldOf(catalog, table.table)', replace: "toldOf(catalog, '')" },
    ],
    tests: [GATHERING],
  },
  {
    name: 'small-account-not-gathered',
    breaks: 'partners are told of rows that went with one statement',
    edits: [
      {
        file: 'src/locations/table/rows/everything.ts',
        find: 'toldOf(catalog, location.name)',
        replace: "toldOf(catalog, '')",
      },
    ],
    tests: [GATHERING],
  },
  {
    name: 'rows-gone-by-trigger-not-gathered',
    breaks: 'no row goes without its key: what a trigger has deleted is rolled back',
    edits: [
      {
        file: 'src/locations/table/side-effects.ts',
        find: 'more > 0 && catalog.gathered.has(name)',
        replace: 'false',
      },
    ],
    tests: [GATHERING],
  },
];
