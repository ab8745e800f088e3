import type { Mutation } from './mutation.ts';

const ROOM = 'src/dataset';
const DAYS = ['test/integration/dataset.test.ts'];

/** The dataset: whole or not there, and no longer with keys than the ledger. */
export const DATASET_DAYS: readonly Mutation[] = [
  {
    name: 'page-after-the-greatest-id',
    breaks: 'no erasure is lost: a page begins after the last row of the one before, whatever its id',
    edits: [{ file: `${ROOM}/read-day.ts`, find: '(array_agg(id))[count(*)]', replace: 'max(id)' }],
    tests: DAYS,
  },
  {
    name: 'manifest-believed-without-files',
    breaks: 'a partition is whole: files that are gone are written again',
    edits: [
      {
        file: `${ROOM}/build-day.ts`,
        find: 'manifest.files.every(({ name, bytes }) => sizes.get(name) === bytes)',
        replace: 'manifest.files.every(({ name }) => name !== "")',
      },
    ],
    tests: DAYS,
  },
  {
    name: 'keys-kept-after-retention',
    breaks: 'nothing outlives the ledger: a day is written without keys then',
    edits: [{ file: `${ROOM}/build-due.ts`, find: '(manifest.keys && !kept.keys) ||', replace: '' }],
    tests: DAYS,
  },
  {
    name: 'files-of-a-reader-deleted',
    breaks: 'a reader of the manifest before has time to read its files',
    edits: [{ file: `${ROOM}/clean-day.ts`, find: 'GRACE_MS = 20 * 3_600_000', replace: 'GRACE_MS = -1' }],
    tests: DAYS,
  },
];
