import type { Mutation } from './mutation.ts';

const CHUNK = 'src/erasure/steps/erase-chunk.ts';
const SLICE = 'src/locations/table/erase-slice.ts';
const COMPLETE = 'src/erasure/steps/complete.ts';
const EXACT = 'test/integration/exact.test.ts';
const ONE_COMMIT = 'test/integration/one-commit.test.ts';
const HOLD = 'test/integration/hold.test.ts';

/** The evidence: what is counted is what was deleted. */
export const LEDGER: readonly Mutation[] = [
  {
    name: 'cascade-uncounted',
    breaks: 'exact evidence: children that go with their parents are counted',
    edits: [
      {
        file: 'src/locations/table/rows/erase-rows.ts',
        find: 'for (const [name, count] of gone.rows) deleted.rows.set(name, (deleted.rows.get(name) ?? 0) + count);',
        replace: '',
      },
    ],
    tests: [EXACT],
  },
  {
    name: 'slice-counted-after-its-commit',
    breaks: 'exact evidence: a slice’s deletion and its count commit together',
    edits: [
      { file: CHUNK, find: 'await tx\n        .update(chunk)', replace: 'await ctx.db\n        .update(chunk)' },
      {
        file: SLICE,
        find: '() => work.isNewer(tx),\n    count,',
        replace: '() => work.isNewer(tx),\n    async () => afterCommit(tx, () => void count().catch(() => {})),',
      },
    ],
    tests: [ONE_COMMIT],
  },
  {
    name: 'slice-forgets-those-before',
    breaks: 'exact evidence: the slices of a chunk add up',
    edits: [{ file: CHUNK, find: 'rowsDeleted: sql`rows_deleted + ${rows}`', replace: 'rowsDeleted: rows' }],
    tests: [HOLD],
  },
  {
    name: 'outside-forgets-what-was-before',
    breaks: 'exact evidence: rows deleted at request and at the end add up',
    edits: [
      {
        file: 'src/erasure/model/ledger.ts',
        find: 'SET rows_deleted = lethe.chunk.rows_deleted + excluded.rows_deleted',
        replace: 'SET rows_deleted = excluded.rows_deleted',
      },
    ],
    tests: [ONE_COMMIT],
  },
  {
    name: 'leftovers-uncounted',
    breaks: 'exact evidence: what the last transaction deletes is counted',
    edits: [
      {
        file: COMPLETE,
        find: 'const count = () => recordOutside(tx, running.id, gone, OUTSIDE);',
        replace: 'const count = async () => void recordOutside;',
      },
    ],
    tests: ['test/fault/small-accounts.test.ts'],
  },
  {
    name: 'leftovers-counted-outside-the-transaction',
    breaks: 'exact evidence: what was rolled back is not counted',
    edits: [
      {
        file: COMPLETE,
        find: 'recordOutside(tx, running.id, gone, OUTSIDE)',
        replace: 'recordOutside(ctx.db, running.id, gone, OUTSIDE)',
      },
    ],
    tests: [ONE_COMMIT],
  },
];
