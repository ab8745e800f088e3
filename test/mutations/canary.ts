import type { Mutation } from './mutation.ts';

const CYCLES = 'test/integration/canary.test.ts';
const SABOTAGE = 'test/integration/canary-sabotage.test.ts';

/** What test data would not find, and where it would be in the way. */
export const CANARY: readonly Mutation[] = [
  {
    name: 'test-data-looked-for-in-no-table',
    breaks: 'what is not erased is found: rows that are left are named by their table',
    edits: [
      {
        file: 'src/canary/look-at-tables.ts',
        find: '.filter(([name, n]) => n > 0 && !kept.has(name))',
        replace: '.filter(([name, n]) => n < 0 && !kept.has(name))',
      },
    ],
    tests: [SABOTAGE],
  },
  {
    name: 'ledger-of-test-data-believed',
    breaks: 'what is not erased is found: the ledger counts what was planted',
    edits: [
      {
        file: 'src/canary/look-at-tables.ts',
        find: 'if (task.rows < planted || (task.own && task.rows > planted))',
        replace: 'if (task.rows < 0)',
      },
    ],
    tests: [SABOTAGE],
  },
  {
    name: 'partner-believed-at-its-word',
    breaks: 'what is not erased is found: a partner that says erased and keeps the data',
    edits: [
      {
        file: 'src/canary/look-at-partners.ts',
        find: "if (seen.kind === 'absent') return [];",
        replace: "if (seen.kind !== 'unknown') return [];",
      },
    ],
    tests: [SABOTAGE],
  },
  {
    name: 'test-data-counted-among-people',
    breaks: 'honest numbers: test data is in no gauge about people',
    edits: [
      {
        file: 'src/erasure/progress/measure.ts',
        find: 'FROM lethe.erasure WHERE ${IS_LIVE} AND NOT canary`',
        replace: 'FROM lethe.erasure WHERE ${IS_LIVE}`',
      },
    ],
    tests: [CYCLES],
  },
  {
    name: 'test-data-counted-on-the-support-page',
    breaks: 'honest numbers: test data is in no number about people that support sees',
    edits: [
      {
        file: 'src/erasure/progress/overview.ts',
        find: ' AND NOT canary GROUP BY state`',
        replace: ' GROUP BY state`',
      },
    ],
    tests: [CYCLES],
  },
  {
    name: 'planter-that-is-away-awaited-for-ever',
    breaks: 'test data that cannot be planted is a finding: another role that cannot reach its database',
    edits: [
      {
        file: 'src/canary/plant.ts',
        find: 'refusalOf(work, error)',
        replace: 'undefined as NotPlanted | undefined',
      },
    ],
    tests: ['test/integration/canary-command.test.ts'],
  },
];
