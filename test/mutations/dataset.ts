import type { Mutation } from './mutation.ts';

const DATASET = 'test/integration/dataset.test.ts';

/** What a warehouse would miss, or keep for too long. */
export const DATASET_MUTATIONS: readonly Mutation[] = [
  {
    name: 'key-outlives-the-ledger',
    breaks: 'nothing is kept for too long: a day is rewritten without keys when the ledger forgets them',
    edits: [
      {
        file: 'src/dataset/days.ts',
        find: 'keys: now.getTime() < startOf(day) + ledgerRetentionMs,',
        replace: 'keys: now.getTime() < startOf(day) + evidenceRetentionMs + 0 * ledgerRetentionMs,',
      },
    ],
    tests: [DATASET],
  },
  {
    name: 'late-event-unseen',
    breaks: 'the warehouse erases everybody: a day whose events became more is written again',
    edits: [
      {
        file: 'src/dataset/build-due.ts',
        find: '  if (counted && manifest.rows !== (await countDay(db, day))) return false;\n',
        replace: '  if (counted) await countDay(db, day);\n',
      },
    ],
    tests: [DATASET],
  },
  {
    name: 'file-deleted-while-it-is-read',
    breaks: 'readers are not disturbed: what the manifest before names stays for a while',
    edits: [{ file: 'src/dataset/clean-day.ts', find: 'graceMs = GRACE_MS,', replace: 'graceMs = GRACE_MS * -1,' }],
    tests: [DATASET],
  },
  {
    name: 'lost-file-unnoticed',
    breaks: 'the warehouse erases everybody: a partition that lost a file is written again',
    edits: [
      {
        file: 'src/dataset/build-day.ts',
        find: 'manifest.files.every(({ name, bytes }) => sizes.get(name) === bytes)',
        replace: 'manifest.files.every(({ name }) => name !== MANIFEST)',
      },
    ],
    tests: [DATASET],
  },
];
