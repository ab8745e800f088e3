import type { Mutation } from './mutation.ts';

const ROOM = 'src/dataset';
const DATASET = 'test/integration/dataset.test.ts';
const JOB = 'test/integration/dataset-job.test.ts';

/** What a warehouse would miss, or keep for too long. */
export const DATASET_MUTATIONS: readonly Mutation[] = [
  {
    name: 'key-outlives-the-ledger',
    breaks: 'nothing is kept for too long: a day is rewritten without keys when the ledger forgets them',
    edits: [
      {
        file: `${ROOM}/days.ts`,
        find: 'keys: now.getTime() < startOf(day) + ledgerRetentionMs,',
        replace: 'keys: now.getTime() < startOf(day) + evidenceRetentionMs + 0 * ledgerRetentionMs,',
      },
    ],
    tests: [DATASET],
  },
  {
    name: 'keys-kept-after-retention',
    breaks: 'nothing outlives the ledger: the daily job writes a day without keys then',
    edits: [{ file: `${ROOM}/build-due.ts`, find: '(manifest.keys && !kept.keys) ||', replace: '' }],
    tests: [DATASET],
  },
  {
    name: 'late-event-unseen',
    breaks: 'the warehouse erases everybody: a day whose events became more is written again',
    edits: [
      {
        file: `${ROOM}/build-due.ts`,
        find: '  if (counted && manifest.rows !== (await countDay(db, day))) return false;\n',
        replace: '  if (counted) await countDay(db, day);\n',
      },
    ],
    tests: [DATASET],
  },
  {
    name: 'page-after-the-greatest-id',
    breaks: 'no erasure is lost: a page begins after the last row of the one before, whatever its id',
    edits: [{ file: `${ROOM}/read-day.ts`, find: '(array_agg(id))[count(*)]', replace: 'max(id)' }],
    tests: [DATASET],
  },
  {
    name: 'file-deleted-while-it-is-read',
    breaks: 'readers are not disturbed: what the manifest before names stays for a while',
    edits: [{ file: `${ROOM}/clean-day.ts`, find: 'GRACE_MS = 20 * 3_600_000', replace: 'GRACE_MS = -1' }],
    tests: [DATASET],
  },
  {
    name: 'lost-file-unnoticed',
    breaks: 'the warehouse erases everybody: a partition that lost a file is written again',
    edits: [
      {
        file: `${ROOM}/build-day.ts`,
        find: 'manifest.files.every(({ name, bytes }) => sizes.get(name) === bytes)',
        replace: 'manifest.files.every(({ name }) => name !== MANIFEST)',
      },
    ],
    tests: [DATASET],
  },
  {
    name: 'lost-run-forgotten',
    breaks: 'a day is built although Redis has lost its job: a run that has not ended is claimed again',
    edits: [
      {
        file: `${ROOM}/runs.ts`,
        find: "AND coalesce(lethe.duty.done_at, '-infinity') < ${tick",
        replace: "AND coalesce(lethe.duty.done_at, 'infinity') < ${tick",
      },
    ],
    tests: [JOB],
  },
  {
    name: 'run-not-remembered',
    breaks: 'a run that has ended is not made again all day',
    edits: [
      {
        file: `${ROOM}/runs.ts`,
        find: 'ON CONFLICT (name) DO UPDATE SET done_at = now()',
        replace: 'ON CONFLICT (name) DO NOTHING',
      },
    ],
    tests: [JOB],
  },
  {
    name: 'late-day-untold',
    breaks: 'the owner of the dataset is told of a day that is missing past its time',
    edits: [{ file: `${ROOM}/partitions.ts`, find: 'slaMs) < now.getTime()', replace: 'slaMs) < 0 * now.getTime()' }],
    tests: ['test/integration/owners.test.ts'],
  },
];
