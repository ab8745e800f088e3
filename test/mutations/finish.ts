import type { Mutation } from './mutation.ts';

const FILE = 'src/erasure/steps/finish.ts';
const REST = 'src/locations/table/erase-rest.ts';
const ONE_COMMIT = 'test/integration/one-commit.test.ts';
const HOLD = 'test/integration/hold.test.ts';
const NEWER = 'test/integration/newer-account.test.ts';
const LIFECYCLE = 'test/integration/lifecycle.test.ts';
const SMALL = 'test/fault/small-accounts.test.ts';
const PREPARED = 'test/integration/prepared.test.ts';

/** The last transaction, alone and within the one that accepts, and what comes after it. */
export const FINISH: readonly Mutation[] = [
  {
    name: 'account-unlocked-at-the-end',
    breaks: 'nothing is left: the account’s lock keeps new rows out while it goes',
    edits: [
      {
        file: FILE,
        find: "findAccount(tx, table, account, 'FOR UPDATE')",
        replace: 'findAccount(tx, table, account)',
      },
    ],
    tests: [ONE_COMMIT],
  },
  {
    name: 'small-account-unlocked',
    breaks: 'nothing is left: the account’s lock keeps new rows out, also in the request',
    edits: [
      {
        file: 'src/erasure/accept/erase-accepted.ts',
        find: "findAccount(tx, catalog.account, key, 'FOR UPDATE')",
        replace: 'findAccount(tx, catalog.account, key)',
      },
    ],
    tests: [SMALL],
  },
  {
    name: 'late-foreign-key-unseen',
    breaks: 'nobody else is touched: a foreign key that came meanwhile is seen before the commit',
    edits: [
      {
        file: REST,
        find: '? findLeft(tx, catalog, account) : []),\n      refuseAgain,',
        replace: '? findLeft(tx, catalog, account) : []),',
      },
    ],
    tests: [ONE_COMMIT],
  },
  {
    name: 'constraints-left-for-the-commit',
    breaks: 'what fails in the request leaves no trace, and is accepted all the same, also at the commit',
    edits: [
      {
        file: REST,
        find: '() => settleConstraints(tx, catalog)',
        replace: 'async () => {}',
      },
    ],
    tests: [ONE_COMMIT],
  },
  {
    name: 'counted-before-and-not-compared',
    breaks: 'the ledger holds what was deleted, not what was there a moment before',
    edits: [{ file: 'src/erasure/accept/erase-accepted.ts', find: 'if (other) throw', replace: 'if (false) throw' }],
    tests: [SMALL],
  },
  {
    name: 'value-in-a-kept-text',
    breaks: 'nobody else is touched: a text that is kept holds no value of its first caller',
    edits: [
      {
        file: 'src/store/kept-text.ts',
        find: 'throw new Error(`${name}: a value in a text that is kept`);',
        replace: 'return { name, column: undefined };',
      },
    ],
    tests: ['test/unit/kept-text.test.ts'],
  },
  {
    name: 'prepared-behind-a-pooler',
    breaks: 'a transaction pooler may stand between: nothing is prepared then',
    edits: [{ file: 'src/store/prepared.ts', find: 'if (!direct) pooled.add(db);', replace: '' }],
    tests: [PREPARED],
  },
  {
    name: 'commit-prepared',
    breaks: 'what was answered has been committed: no COMMIT is lost with what a session forgot',
    edits: [
      { file: 'src/store/prepared.ts', find: '{ asked: !pooled.has(db) }', replace: '{ prepare: !pooled.has(db) }' },
    ],
    tests: [PREPARED],
  },
  {
    name: 'lost-statement-refuses',
    breaks: 'a session that has lost what was prepared costs nobody an erasure',
    edits: [
      {
        file: 'src/store/transaction.ts',
        find: '} else if (!prepared || !failedPrepared(db, error)) throw error;',
        replace: '} else throw error;',
      },
    ],
    tests: [PREPARED],
  },
  {
    name: 'proof-skipped',
    breaks: 'nothing is left, or it is not complete: every location is proved empty',
    edits: [
      {
        file: REST,
        find: 'if (remaining.length > 0) await refuseLeft(tx, ctx, account, remaining);',
        replace: '',
      },
    ],
    tests: [LIFECYCLE],
  },
  {
    name: 'small-proof-skipped',
    breaks: 'nobody else is touched: the account stays while a row of its own must stay',
    edits: [{ file: REST, find: "if (remaining.length > 0) throw new Rollback('locked');", replace: '' }],
    tests: [SMALL],
  },
  {
    name: 'proof-before-the-account-only',
    breaks: 'nothing is left, or it is not complete: what is written, or kept, as the account goes is found',
    edits: [{ file: REST, find: '(isHooked(catalog) ? findLeft(tx, catalog, account) : [])', replace: '[]' }],
    tests: ['test/integration/triggers.test.ts'],
  },
  {
    name: 'cause-hidden-by-what-follows',
    breaks: 'an operator is told why: the first failure of a transaction, and not what it led to',
    edits: [
      {
        file: 'src/store/transaction.ts',
        find: '(failed.find((e) => !failedBefore(e.reason)) ?? failed[0])',
        replace: 'failed[0]',
      },
    ],
    tests: ['test/integration/first-cause.test.ts'],
  },
  {
    name: 'refused-for-what-was-in-the-way',
    breaks: 'what fails in the request leaves no trace, and is accepted all the same',
    edits: [
      {
        file: 'src/erasure/accept/request.ts',
        find: '!unerased && !isContended(error)',
        replace: '!isContended(error)',
      },
    ],
    tests: [SMALL],
  },
  {
    name: 'erased-again-with-each-attempt',
    breaks: 'what takes longer than the acceptance may is accepted without',
    edits: [{ file: 'src/erasure/accept/request.ts', find: '      way.erase = false;\n', replace: '' }],
    tests: [SMALL],
  },
  {
    name: 'finished-while-held',
    breaks: 'a hold freezes: the last transaction looks for it',
    edits: [{ file: FILE, find: '        isNull(erasure.heldAt),\n', replace: '' }],
    tests: [HOLD],
  },
  {
    name: 'application-hold-not-read-at-the-end',
    breaks: 'a hold in the application freezes: the last transaction reads it under the account’s lock',
    edits: [{ file: FILE, find: "if (row?.onHold) throw new Rollback('held');", replace: '' }],
    tests: [HOLD],
  },
  {
    name: 'late-rows-not-looked-for',
    breaks: 'nothing is left: locations without a foreign key are probed again',
    edits: [
      {
        file: 'src/erasure/steps/complete.ts',
        find: "probeAt: catalog.locations.some((l) => !l.guarded) ? sql`now() + interval '1 hour'` : null",
        replace: 'probeAt: null',
      },
    ],
    tests: [LIFECYCLE],
  },
  {
    name: 'late-rows-of-a-newer-account',
    breaks: 'nobody else is touched: an account with the same key is somebody new',
    edits: [
      {
        file: 'src/erasure/upkeep/probe-late.ts',
        find: 'left: exists ? [] : await proveAll',
        replace: 'left: await proveAll',
      },
    ],
    tests: [LIFECYCLE],
  },
  {
    name: 'reopened-beside-a-newer-account',
    breaks: 'nobody else is touched: a reopened erasure ends where the account exists again',
    edits: [
      {
        file: 'src/erasure/steps/advance.ts',
        find: 'const closed = asksOn(ctx, running) ? null : await closeIfNewerAccount(ctx, running);',
        replace: 'const closed = null as Erasure | null;',
      },
    ],
    tests: ['test/integration/changes.test.ts'],
  },
  {
    name: 'slice-of-a-newer-account',
    breaks: 'nobody else is touched: a chunk that is out stops where somebody new has the key',
    edits: [
      {
        file: 'src/locations/table/erase-slice.ts',
        find: 'if (isNewer) throw new NewerAccount();',
        replace: 'void isNewer;',
      },
    ],
    tests: [NEWER],
  },
  {
    name: 'last-transaction-of-a-newer-account',
    breaks: 'nobody else is touched: an account that came while nothing was locked stays',
    edits: [{ file: FILE, find: "if (!row && gone.get(table.table)) throw new Rollback('superseded');", replace: '' }],
    tests: [NEWER],
  },
  {
    name: 'newer-account-by-its-flag-only',
    breaks: 'nobody else is touched, and nobody forgotten: the time of creation tells whose the key is',
    edits: [
      {
        file: 'src/locations/account/find-earlier.ts',
        find: '${created}::text IS DISTINCT FROM e.account_created AND',
        replace: 'true AND',
      },
    ],
    tests: [NEWER],
  },
  {
    name: 'scrub-keeps-the-key',
    breaks: 'forgotten: after the retention nothing says whose erasure it was',
    edits: [{ file: 'src/erasure/upkeep/scrub.ts', find: 'SET account_key = NULL, ', replace: 'SET ' }],
    tests: [LIFECYCLE],
  },
  {
    name: 'scrub-too-early',
    breaks: 'evidence: the ledger is kept for as long as it was promised',
    edits: [
      {
        file: 'src/erasure/upkeep/scrub.ts',
        find: 'AND coalesce(completed_at, cancelled_at) < ${before(ledgerRetentionMs)}',
        replace: '',
      },
    ],
    tests: [LIFECYCLE],
  },
];
