import type { Mutation } from './mutation.ts';

const RIGHTS = ['test/integration/redis-rights.test.ts'];

/** A Redis that answers and refuses. */
export const REDIS: readonly Mutation[] = [
  {
    name: 'refused-fetch-repeated-at-once',
    breaks: 'a worker whose fetch is refused waits: it does not spin',
    edits: [
      {
        file: 'src/jobs/worker.ts',
        find: 'await pause(REFUSED_MS, undefined, { signal: this.#stopping }).catch(() => {});',
        replace: '',
      },
    ],
    tests: RIGHTS,
  },
  {
    name: 'worker-asks-for-the-version',
    breaks: 'a user that may not ask INFO is enough',
    edits: [{ file: 'src/jobs/worker.ts', find: '      skipVersionCheck: true,\n', replace: '' }],
    tests: RIGHTS,
  },
  {
    name: 'ready-though-redis-refuses',
    breaks: 'ready means that jobs can be added and fetched',
    edits: [{ file: 'src/http/api/readiness.ts', find: "refused.length > 0 ? 'refused' : 'ok'", replace: "'ok'" }],
    tests: RIGHTS,
  },
];
