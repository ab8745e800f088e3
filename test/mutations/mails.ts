import type { Mutation } from './mutation.ts';

const SEND = 'src/mail/send.ts';
const ATTEMPTS = 'test/integration/mail-attempts.test.ts';

/** The mails: once, when it is true, and then the address is forgotten. */
export const MAILS: readonly Mutation[] = [
  {
    name: 'mail-before-commit',
    breaks: 'the mail says what is true: an erasure that was rolled back is not reported',
    edits: [
      {
        file: 'src/erasure/steps/complete.ts',
        find: '() => notifyCompleted(tx, running)',
        replace: '() => notifyCompleted(ctx.db as never, running)',
      },
    ],
    tests: ['test/integration/one-commit.test.ts'],
  },
  {
    name: 'mail-with-a-key-for-each-attempt',
    breaks: 'the mail is sent once, however often it is tried',
    edits: [
      {
        file: SEND,
        find: '`lethe-${notificationId}`',
        replace: '`lethe-${notificationId}-${claim.attempt}`',
      },
    ],
    tests: [ATTEMPTS],
  },
  {
    name: 'mail-sent-when-its-key-is-forgotten',
    breaks: 'the mail is sent once: an outcome that stayed unknown for a day is not tried again',
    edits: [{ file: SEND, find: 'if (claim.expired) return', replace: 'if (claim.attempt < 0) return' }],
    tests: [ATTEMPTS],
  },
  {
    name: 'sender-refused-for-good',
    breaks: 'only what is about the recipient is final: a domain that is not verified loses no mail',
    edits: [
      {
        file: 'src/mail/resend.ts',
        find: "cause === 'invalid_recipient' ? 'rejected' : 'blocked'",
        replace: "'rejected'",
      },
    ],
    tests: ['test/integration/mail-failures.test.ts'],
  },
  {
    name: 'refused-key-taken-for-a-mail',
    breaks: 'a key that was used by a refused request says nothing about a mail',
    edits: [
      {
        file: SEND,
        find: "failure.code === 'invalid_idempotent_request' && claim.hadUnknown",
        replace: "failure.code === 'invalid_idempotent_request'",
      },
    ],
    tests: [ATTEMPTS],
  },
  {
    name: 'address-kept',
    breaks: 'forgotten: after the last mail nobody needs the address',
    edits: [
      { file: SEND, find: "if (claim.kind === 'completed') await forgetAddress(tx, claim.erasureId);", replace: '' },
    ],
    tests: [ATTEMPTS],
  },
  {
    name: 'last-mail-before-the-first',
    breaks: 'both mails are sent and recorded, in order',
    edits: [
      {
        file: SEND,
        find: "kind === 'completed' && (await isReceivedUnderWay(tx, row.erasure.id))",
        replace: 'false',
      },
    ],
    tests: ['test/integration/mail-recovery.test.ts'],
  },
  {
    name: 'errors-with-values',
    breaks: 'no personal data in queues and logs: an error holds no value of the database',
    edits: [
      {
        file: 'src/store/sql-errors.ts',
        find: '`SQLSTATE ${code}${placeOf(fields, about?.table)}`',
        replace: '`SQLSTATE ${code}${placeOf(fields, about?.table)} ${(error as Error).message}`',
      },
    ],
    tests: ['test/unit/sql-errors.test.ts'],
  },
  {
    name: 'names-that-a-trigger-chose',
    breaks: 'no personal data in queues and logs: an error names only tables and constraints that exist',
    edits: [
      {
        file: 'src/store/sql-errors.ts',
        find: 'const named = isKnownTable(table) ?',
        replace: 'const named = table_name ?',
      },
    ],
    tests: ['test/unit/sql-errors.test.ts', 'test/integration/mail-privacy.test.ts'],
  },
];
