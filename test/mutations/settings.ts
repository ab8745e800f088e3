import type { Mutation } from './mutation.ts';

const SETTINGS = 'test/integration/database-settings.test.ts';

/** What a database, a role or an address sets. */
export const SETTINGS_MUTATIONS: readonly Mutation[] = [
  {
    name: 'doubles-read-as-text',
    breaks: 'exact: what is counted is not rounded by extra_float_digits',
    edits: [{ file: 'src/locations/table/rows/probe.ts', find: 'count(*)::numeric', replace: 'count(*)::float8' }],
    tests: [SETTINGS],
  },
  {
    name: 'commits-that-a-crash-undoes',
    breaks: 'durable: an acceptance and a mail never outlive the commit that they tell of',
    edits: [
      {
        file: 'src/store/transaction.ts',
        find: "set_config('synchronous_commit', 'on', true)",
        replace: "current_setting('synchronous_commit')",
      },
    ],
    tests: [SETTINGS],
  },
  {
    name: 'certificate-compared-with-localhost',
    breaks: 'sslmode=verify-full: the server is the one that was asked for, also by its address',
    edits: [
      {
        file: 'src/settings/database-address.ts',
        find: 'return { ...own, rejectUnauthorized: true, host };',
        replace: 'return { ...own, rejectUnauthorized: true };',
      },
    ],
    tests: ['test/integration/database-address.test.ts'],
  },
  {
    name: 'publications-not-asked',
    breaks: 'what cannot be deleted is said at start, not in the middle of an erasure',
    edits: [
      {
        file: 'src/catalog/checks/check-publications.ts',
        find: '  if (!any) return [];',
        replace: '  if (any) return [];',
      },
    ],
    tests: ['test/integration/publications.test.ts'],
  },
  {
    name: 'start-after-the-deadline',
    breaks: 'no erasure is planned to start when its legal deadline has passed',
    edits: [
      {
        file: 'src/settings/sweep-times.ts',
        find: '  if (left > 0 && !pause) return undefined;',
        replace: '  if (left > 0) return undefined;',
      },
    ],
    tests: ['test/unit/config.test.ts'],
  },
];
