import type { Mutation } from './mutation.ts';

const ANSWERS = 'test/unit/partner-answer.test.ts';
const REQUESTS = 'test/integration/partner-requests.test.ts';

/** What is said to partners, and what of their answers is believed. */
export const PARTNERS: readonly Mutation[] = [
  {
    name: 'answer-about-another-task',
    breaks: 'an erasure is complete only when each partner has said so of this very task',
    edits: [
      {
        file: 'src/partners/answer.ts',
        find: 'if (!read.success || read.data.task !== task)',
        replace: 'if (!read.success)',
      },
    ],
    tests: [ANSWERS],
  },
  {
    name: 'missing-route-means-erased',
    breaks: 'a wrong address never looks like data that is gone',
    edits: [
      {
        file: 'src/partners/answer.ts',
        find: '  if (status === 204)',
        replace: '  if (status === 204 || status === 404)',
      },
    ],
    tests: [ANSWERS],
  },
  {
    name: 'one-secret-of-two',
    breaks: 'a secret is rotated without a message that its partner refuses',
    edits: [
      {
        file: 'src/partners/sign.ts',
        find: 'const signatures = keysOf(secrets).flatMap',
        replace: 'const signatures = keysOf(secrets).slice(0, 1).flatMap',
      },
    ],
    tests: ['test/unit/partner-sign.test.ts'],
  },
  {
    name: 'names-of-private-hosts-connected',
    breaks: 'nobody has Lethe ask its own machine, its network or the metadata of its cloud',
    edits: [{ file: 'src/partners/request.ts', find: 'lookup: checkedLookup(privateHosts, resolve), ', replace: '' }],
    tests: [REQUESTS],
  },
  {
    name: 'answers-read-to-the-end',
    breaks: 'bounded: an answer without an end takes no memory and no time',
    edits: [
      {
        file: 'src/partners/request.ts',
        find: 'if (length > MOST_BYTES) break;',
        replace: 'if (length > 2 ** 40) break;',
      },
    ],
    tests: [REQUESTS],
  },
  {
    name: 'absent-about-another-task',
    breaks: 'test data is gone only where its partner has said so of this very question',
    edits: [
      {
        file: 'src/partners/canary-answer.ts',
        find: 'if (read.success && read.data.task === task)',
        replace: 'if (read.success)',
      },
    ],
    tests: ['test/unit/partner-canary.test.ts'],
  },
  {
    name: 'one-id-for-all-looks',
    breaks: 'a partner that keeps its answers by id still looks anew for test data',
    edits: [
      {
        file: 'src/locations/http/send.ts',
        find: 'const asked = { ...of, id: uuidv7(), partner',
        replace: 'const asked = { ...of, partner',
      },
    ],
    tests: ['test/integration/partner-canary.test.ts'],
  },
  {
    name: 'older-versions-are-absent',
    breaks: 'a file whose older versions are kept is not taken for erased test data',
    edits: [
      {
        file: 'src/locations/object-store/test-data.ts',
        find: 'const versions = await store.keepsVersions();',
        replace: 'const versions = false;',
      },
    ],
    tests: ['test/integration/partner-canary.test.ts'],
  },
  {
    name: 'any-done-is-the-same-answer',
    breaks: 'a partner is told when it answers a repeated message as another one',
    edits: [
      {
        file: 'src/partners/contract/alike.ts',
        find: "return after.kind === 'done' && statusOf(first) === statusOf(second);",
        replace: "return after.kind === 'done';",
      },
    ],
    tests: ['test/integration/partner-test.test.ts'],
  },
];
