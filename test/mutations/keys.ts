import type { Mutation } from './mutation.ts';

const UNIT = 'test/unit/keys.test.ts';
const INTEGRATION = 'test/integration/keys.test.ts';

/** Whose key is whose, when it has several columns. */
export const KEYS: readonly Mutation[] = [
  {
    name: 'keys-compared-as-one-text',
    breaks: "a chunk ends at its own last key, not at one that reads the same: ['a,b', 'c'] and ['a', 'b,c']",
    edits: [
      {
        file: 'src/keys/compare.ts',
        find: 'a.length === b.length && a.every((part, i) => part === b[i]);',
        replace: 'String(a) === String(b);',
      },
    ],
    tests: [UNIT, INTEGRATION],
  },
  {
    name: 'half-of-the-key-belongs',
    breaks: 'nobody else is touched: an account is all columns of its key',
    edits: [
      {
        file: 'src/keys/sql.ts',
        find: 'new SQL([text(`(${list(alias, account)}) = `), ...cast(account, key)]);',
        replace: 'new SQL([text(`(${list(alias, [account[0]])}) = `), ...cast([account[0]], key)]);',
      },
    ],
    tests: [INTEGRATION],
  },
  {
    name: 'key-text-unescaped',
    breaks: 'one text is one account: the database and the process encode a key alike',
    edits: [
      {
        file: 'src/keys/canonical.ts',
        find: "replace(replace(${part}, '%', '%25'), ',', '%2C')",
        replace: '${part}',
      },
    ],
    tests: [INTEGRATION],
  },
];
