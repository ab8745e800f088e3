import type { Mutation } from './mutation.ts';

const ACKNOWLEDGE = 'test/integration/acknowledge.test.ts';
const ERASURES = 'test/integration/partner-erasures.test.ts';

/** What partners may say, and what another Lethe may ask for. */
export const SECOND_LETHE: readonly Mutation[] = [
  {
    name: 'token-of-any-task',
    breaks: 'only who may: a token acknowledges its own task alone',
    edits: [
      {
        file: 'src/http/access/task-token.ts',
        find: "verifyToken(config.LETHE_SECRET, 'ack', taskId.toLowerCase(), bearer)",
        replace: "bearer.startsWith('v1.')",
      },
    ],
    tests: [ACKNOWLEDGE],
  },
  {
    name: 'acknowledgements-limited-by-address',
    breaks: 'bounded: a flood from others stops no acknowledgement',
    edits: [{ file: 'src/http/access/rate-limit.ts', find: 'if (thing) {', replace: 'if (thing === null) {' }],
    tests: [ACKNOWLEDGE],
  },
  {
    name: 'failure-counted-twice',
    breaks: 'nothing is given up: a failure that is said twice puts the next try off once',
    edits: [{ file: 'src/erasure/calls/acknowledge.ts', find: '  if (!tried) return null;\n', replace: '' }],
    tests: [ACKNOWLEDGE],
  },
  {
    name: 'failure-forgotten-by-its-answer',
    breaks: 'nothing is given up: an answer that comes late does not undo what was acknowledged',
    edits: [
      {
        file: 'src/erasure/calls/settle.ts',
        find: 'OR NOT ${ofTry} OR c.leased_until IS NOT NULL)',
        replace: 'OR true OR ${ofTry})',
      },
    ],
    tests: [ACKNOWLEDGE],
  },
  {
    name: 'message-not-verified',
    breaks: 'only who may: nobody but a partner has an account erased by a message',
    edits: [
      {
        file: 'src/http/access/partner-signature.ts',
        find: '  if (problem) throw new NotOurs(problem);\n',
        replace: '',
      },
    ],
    tests: [ERASURES],
  },
  {
    name: 'message-erases-a-younger-account',
    breaks: 'nobody else is touched: an account that is younger than the request is left alone',
    edits: [
      {
        file: 'src/erasure/accept/accept.ts',
        find: 'created !== null && now.getTime() - Number(created) * 1000 < ms;',
        replace: 'created === String(now.getTime() + ms);',
      },
    ],
    tests: [ERASURES],
  },
  {
    name: 'message-known-by-nothing',
    breaks: 'nobody else is touched: a message that comes again erases nobody who has the key since',
    edits: [
      {
        file: 'src/erasure/partner/standing.ts',
        find: 'if (!known) return null;',
        replace: 'if (known !== null) return null;',
      },
    ],
    tests: [ERASURES],
  },
  {
    name: 'token-outlives-its-use',
    breaks: 'only who may: a token is destroyed with the acknowledgement',
    edits: [
      {
        file: 'src/erasure/partner/acknowledge-message.ts',
        find: '          sealed: null,\n          ackUrl: null,\n',
        replace: '          ackUrl: null,\n',
      },
    ],
    tests: [ERASURES],
  },
  {
    name: 'partners-wait-for-each-other',
    breaks: 'it completes: two that are partners of each other do not wait for each other',
    edits: [
      {
        file: 'src/erasure/partner/standing.ts',
        find: "erasure.state === 'awaiting' && erasure.requestedBy !== askerOf(source)",
        replace: "erasure.state === 'awaiting' && askerOf(source) === ''",
      },
    ],
    tests: [ERASURES],
  },
];
