import type { Mutation } from './mutation.ts';

const UNIT = 'test/unit/owners.test.ts';
const WATCHED = 'test/integration/owners.test.ts';

/** How owners are watched, and how their teams are told. */
export const OWNERS: readonly Mutation[] = [
  {
    name: 'break-ends-what-is-bad',
    breaks: 'a team gets one message of a state that comes and goes, not one a minute',
    edits: [
      {
        file: 'src/erasure/watch/follow.ts',
        find: 'if (now.getTime() - calmSince.getTime() >= calmMs)',
        replace: 'if (now.getTime() - calmSince.getTime() >= 0)',
      },
    ],
    tests: [UNIT],
  },
  {
    name: 'lost-answer-was-not-told',
    breaks: 'a team that may know that something is bad is told when it is over',
    edits: [
      {
        file: 'src/erasure/watch/owe.ts',
        find: "if (tried === null) return { told, next: wanted ?? 'drop' };",
        replace: "if (tried !== undefined) return { told, next: wanted ?? 'drop' };",
      },
    ],
    tests: [UNIT],
  },
  {
    name: 'claim-of-a-message-not-written',
    breaks: 'two workers send one message, and a killed one leaves a trace of what it may have told',
    edits: [
      {
        file: 'src/erasure/watch/tell-due.ts',
        find: "tried_state = o.message #>> '{data,state}'",
        replace: 'tried_state = NULL',
      },
    ],
    tests: [WATCHED],
  },
  {
    name: 'test-data-counts-as-late',
    breaks: 'test data is in no number about users',
    edits: [
      {
        file: 'src/erasure/watch/measure-owners.ts',
        find: 'AND held_at IS NULL AND NOT canary`',
        replace: 'AND held_at IS NULL`',
      },
    ],
    tests: [WATCHED],
  },
];
