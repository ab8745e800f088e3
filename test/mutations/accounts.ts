import type { Mutation } from './mutation.ts';

const REQUEST = 'src/erasure/accept/accept.ts';
const CANCEL = 'src/erasure/accept/cancel.ts';
const IDEMPOTENCY = 'src/erasure/accept/idempotency.ts';
const API = 'test/integration/api.test.ts';
const UNDO = 'test/integration/undo.test.ts';
const HOLD = 'test/integration/hold.test.ts';
const SIGN_OUT = 'test/integration/sign-out.test.ts';
const KEYS = 'test/integration/idempotency.test.ts';

/** Request, sign-out call, undo, hold and repeated requests. */
export const ACCOUNTS: readonly Mutation[] = [
  {
    name: 'accepted-without-the-account-s-lock',
    breaks: 'one live erasure per account: those who ask at once all get it',
    edits: [{ file: REQUEST, find: "request.accountKey, 'FOR NO KEY UPDATE')", replace: 'request.accountKey)' }],
    tests: [API],
  },
  {
    name: 'sessions-kept',
    breaks: 'signed out at once: the sessions go with the acceptance',
    edits: [
      {
        file: REQUEST,
        find: 'const more = await deleteSessions(tx, ctx, wanted.id, account.key, most);',
        replace: 'const more = most < 0;\n  void deleteSessions;',
      },
    ],
    tests: [API],
  },
  {
    name: 'account-not-flagged',
    breaks: 'signed out at once: the application can refuse a sign-in',
    edits: [
      {
        file: REQUEST,
        find: '() => flagAccount(tx, ctx.catalog.account, account.key, true)',
        replace: 'async () => {}',
      },
    ],
    tests: [UNDO],
  },
  {
    name: 'held-account-erased-at-once',
    breaks: 'a hold in the application freezes: a small account is not erased by its request',
    edits: [{ file: REQUEST, find: 'const small = hold ? null : few;', replace: 'const small = few;' }],
    tests: [HOLD],
  },
  {
    name: 'undo-keeps-the-flag',
    breaks: 'an undo undoes: the user can sign in again',
    edits: [
      {
        file: CANCEL,
        find: 'if (table && account && !newer) await flagAccount(tx, table, account, false);',
        replace: '',
      },
    ],
    tests: [UNDO],
  },
  {
    name: 'undo-keeps-the-address',
    breaks: 'forgotten: after an undo nobody needs the address',
    edits: [{ file: CANCEL, find: 'await forgetAddress(tx, seen.id);', replace: '' }],
    tests: [UNDO],
  },
  {
    name: 'transition-unconditional',
    breaks: 'one winner: an undo comes too late once the erasure has started',
    edits: [{ file: 'src/erasure/model/states.ts', find: 'eq(erasure.state, from), ', replace: '' }],
    tests: [UNDO],
  },
  {
    name: 'undo-of-what-has-begun',
    breaks: 'an undo undoes: what has begun to be deleted is not called undone',
    edits: [{ file: CANCEL, find: ', where: nothingBegun(seen.id) }', replace: ' }' }],
    tests: ['test/integration/strays.test.ts'],
  },
  {
    name: 'hold-of-a-person-lifted-by-the-sweep',
    breaks: 'a hold stands until who placed it lifts it',
    edits: [
      {
        file: 'src/erasure/model/hold.ts',
        find: 'by === BY_APPLICATION ? eq(erasure.heldBy, BY_APPLICATION) : undefined',
        replace: 'undefined',
      },
    ],
    tests: [HOLD],
  },
  {
    name: 'sign-out-refused-is-signed-out',
    breaks: 'signed out: the application is asked until it took it',
    edits: [
      {
        file: 'src/erasure/revoke/revoke-call.ts',
        find: 'if (status < 200 || status > 299)',
        replace: 'if (status < 0)',
      },
    ],
    tests: [SIGN_OUT],
  },
  {
    name: 'sign-out-after-an-undo',
    breaks: 'an undo undoes: the user is not signed out any more',
    edits: [{ file: CANCEL, find: ', signOutAt: null, retryAt', replace: ', retryAt' }],
    tests: [SIGN_OUT],
  },
  {
    name: 'due-rows-taken-without-a-lock',
    breaks: 'of two workers that reconcile at once each mail and revocation is taken by one',
    edits: [{ file: 'src/store/take-due.ts', find: ' FOR UPDATE SKIP LOCKED)', replace: ')' }],
    tests: ['test/integration/take-due.test.ts', SIGN_OUT],
  },
  {
    name: 'key-for-another-request',
    breaks: 'idempotent: the key of one request gives no answer to another',
    edits: [
      {
        file: IDEMPOTENCY,
        find: 'if (known.fingerprint !== fingerprint)',
        replace: "if (known.fingerprint === '')",
      },
    ],
    tests: [KEYS],
  },
  {
    name: 'key-taken-while-in-flight',
    breaks: 'idempotent: a request in flight keeps its key',
    edits: [{ file: IDEMPOTENCY, find: ' AND ${idempotency.lockedAt} < ${ABANDONED}', replace: '' }],
    tests: [KEYS],
  },
  {
    name: 'key-shared-by-all-accounts',
    breaks: 'idempotent: nobody gets the answer of another account',
    edits: [
      {
        file: 'src/http/api/request-erasure.ts',
        find: ': `account:${caller.accountKey}`',
        replace: ": 'account'",
      },
    ],
    tests: [KEYS],
  },
  {
    name: 'abandoned-request-done-all-the-same',
    breaks: 'a refusal is one: what was answered 503 before its turn came is not done afterwards',
    edits: [
      {
        file: 'src/erasure/accept/request.ts',
        find: 'if (performance.now() >= until)',
        replace: 'if (until === null)',
      },
    ],
    tests: ['test/fault/time-limits.test.ts'],
  },
  {
    name: 'request-waits-for-redis',
    breaks: 'Redis only delivers: an answer does not depend on it',
    edits: [
      {
        file: 'src/jobs/begin-erasure.ts',
        find: 'void enqueue.dispatch(dispatch)',
        replace: 'await enqueue.dispatch(dispatch)',
      },
    ],
    tests: ['test/fault/redis.test.ts'],
  },
  {
    name: 'event-without-its-change',
    breaks: 'every transition in the log, and nothing else: what changed nothing has not happened',
    edits: [
      {
        file: 'src/erasure/model/states.ts',
        find: "recorded AS (${eventsFrom('changed', happenedInOrder(happened))})",
        replace:
          "seen AS (SELECT id FROM lethe.erasure WHERE id = ${id}), recorded AS (${eventsFrom('seen', happenedInOrder(happened))})",
      },
    ],
    tests: ['test/integration/undo.test.ts'],
  },
  {
    name: 'mail-with-another-id',
    breaks: 'the mail is on its way: what is enqueued is what was recorded',
    edits: [
      {
        file: 'src/erasure/accept/accept.ts',
        find: 'mail: mail?.id }',
        replace: 'mail: mail && uuidv7() }',
      },
    ],
    tests: ['test/fault/small-accounts.test.ts'],
  },
];
