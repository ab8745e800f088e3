import type { Mutation } from './mutation.ts';

const ROOM = 'src/locations/object-store';
const STORE = ['test/integration/object-store.test.ts'];
const NAMES = ['test/unit/object-names.test.ts'];

/** Files in S3: all of the account's, none of others, and counted. */
export const FILES: readonly Mutation[] = [
  {
    name: 'prefix-without-a-slash',
    breaks: 'nobody else is touched: the prefix of account 4 takes no file of account 42',
    edits: [{ file: `${ROOM}/names.ts`, find: "if (!pattern.endsWith('/'))", replace: "if (pattern === '')" }],
    tests: NAMES,
  },
  {
    name: 'longer-keys-deleted',
    breaks: 'nobody else is touched: a list by prefix goes on with longer keys, which are other files',
    edits: [
      {
        file: `${ROOM}/delete-keys.ts`,
        find: 'page.items.filter((item) => item.key === key)',
        replace: 'page.items.filter((item) => item.key.startsWith(key))',
      },
    ],
    tests: STORE,
  },
  {
    name: 'prefix-done-without-a-last-list',
    breaks: 'nothing is left, or it is not done: a list after the last deletion is empty',
    edits: [
      {
        file: `${ROOM}/empty-prefix.ts`,
        find: 'if (gone + uploads.ended > 0)',
        replace: 'if (gone + uploads.ended < 0)',
      },
    ],
    tests: STORE,
  },
  {
    name: 'any-answer-taken-for-a-list',
    breaks: 'nothing is left, or it is not done: HTML of a proxy is no empty list',
    edits: [{ file: `${ROOM}/client.ts`, find: '!isAnswer(of[0].query, body)', replace: '!body' }],
    tests: STORE,
  },
  {
    name: 'files-counted-when-they-are-gone',
    breaks: 'the ledger counts each file, though a worker died after a deletion',
    edits: [
      {
        file: `${ROOM}/empty-prefix.ts`,
        find: 'if (cursor === null && first.items.length > 0)',
        replace: 'if (cursor === null && first.items.length < 0)',
      },
    ],
    tests: STORE,
  },
  {
    name: 'refused-files-taken-for-gone',
    breaks: 'nothing is left, or it is not done: a key that the bucket refuses is asked for again',
    edits: [
      {
        file: `${ROOM}/store.ts`,
        find: 'const told = Errors.filter(({ Code }) => !isGone(Code));',
        replace: 'const told = Errors.filter(({ Code }) => Code === undefined);',
      },
    ],
    tests: STORE,
  },
];
