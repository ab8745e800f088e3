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
  {
    name: 'gone-column-refuses-the-request',
    breaks: 'to accept comes first: sessions whose keys cannot be kept are left to the workers',
    edits: [
      {
        file: 'src/locations/table/erase-at-request.ts',
        find: 'told ? await findGone(tx, ctx.catalog) : []',
        replace: '[]',
      },
    ],
    tests: ['test/integration/partner-drift.test.ts'],
  },
  {
    name: 'gone-column-in-no-words',
    breaks: 'what keeps rows from going is said in words: the column that is gone',
    edits: [{ file: 'src/locations/table/refuse-new-references.ts', find: "=== '42703'", replace: "=== 'none'" }],
    tests: ['test/integration/partner-drift.test.ts'],
  },
  {
    name: 'partners-in-a-circle',
    breaks: 'an order of partners has a beginning: a circle is refused in the words of the catalog',
    edits: [
      {
        file: 'src/catalog/check-partners.ts',
        find: 'for (const cycle of cycles)',
        replace: 'for (const cycle of [])',
      },
    ],
    tests: ['test/unit/partner-entries.test.ts'],
  },
  {
    name: 'secret-in-the-catalog',
    breaks: 'no secret stands in the catalog, which the database keeps',
    edits: [
      {
        file: 'src/catalog/language.ts',
        find: 'kind.outside ? findSecrets(written) : []',
        replace: '[] as string[][]',
      },
    ],
    tests: ['test/unit/partner-entries.test.ts'],
  },
  {
    name: 'merged-partner-of-the-past',
    breaks: 'a partner is asked where it is now, also for erasures that were accepted before it moved',
    edits: [
      {
        file: 'src/catalog/merge.ts',
        find: 'again.get(known[i]?.unique as string) ?? entry',
        replace: 'entry',
      },
    ],
    tests: ['test/unit/partner-entries.test.ts'],
  },
];
