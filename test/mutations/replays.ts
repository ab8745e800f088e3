import type { Mutation } from './mutation.ts';

const REPLAY = 'test/integration/replay-partners.test.ts';

/** What is asked of partners again, and what users are told of them. */
export const REPLAYS: readonly Mutation[] = [
  {
    name: 'replay-asks-for-newer-account',
    breaks: 'no partner is asked again where somebody new has the account’s key',
    edits: [
      {
        file: 'src/erasure/accept/replay-partners.ts',
        find: '    await refuseNewer(tx, its, now);\n',
        replace: '',
      },
    ],
    tests: [REPLAY],
  },
  {
    name: 'replay-without-pass',
    breaks: 'a replay asks with a message of its own: a partner knows the old one as done',
    edits: [
      {
        file: 'src/erasure/accept/replay-partners.ts',
        find: "state: 'pending', pass: sql`pass + 1`, lastError: null",
        replace: "state: 'pending', lastError: null",
      },
    ],
    tests: [REPLAY],
  },
  {
    name: 'user-told-of-systems',
    breaks: 'users are told kinds of data, and no system',
    edits: [
      {
        file: 'src/erasure/progress/for-user.ts',
        find: "  http: 'data in connected services',",
        replace: '  http: null,',
      },
    ],
    tests: ['test/unit/for-user.test.ts'],
  },
];
