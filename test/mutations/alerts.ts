import type { Mutation } from './mutation.ts';

const RULES = 'test/integration/alerts.test.ts';

/** What each team is told of its part. */
export const ALERTS: readonly Mutation[] = [
  {
    name: 'braces-printed-as-they-are',
    breaks: 'a name of the catalog is never read as a template of Prometheus',
    edits: [{ file: 'src/alerts/escape.ts', find: `whole(text).replaceAll('{', '{{ "{" }}')`, replace: 'whole(text)' }],
    tests: ['test/unit/alerts.test.ts', RULES],
  },
  {
    name: 'failing-that-is-over',
    breaks: 'an alert ends soon after what it is about',
    edits: [
      {
        file: 'src/alerts/burning.ts',
        find: '> 0.5 and min_over_time(${failing}[5m:1m]) > 0)',
        replace: '> 0.5)',
      },
    ],
    tests: [RULES],
  },
  {
    name: 'route-for-everybody',
    breaks: 'each team is told of its own part, and not of another',
    edits: [{ file: 'src/alerts/routes.ts', find: "matchers: [matcher('owner', owner)]", replace: 'matchers: []' }],
    tests: [RULES],
  },
  {
    name: 'deadline-used-by-what-waits',
    breaks: 'an erasure that waits for its start burns no deadline',
    edits: [
      {
        file: 'src/erasure/progress/measure.ts',
        find: "held_at IS NULL AND (state <> 'scheduled' OR starts_at <= now())), 0)",
        replace: 'held_at IS NULL), 0)',
      },
    ],
    tests: ['test/integration/metrics.test.ts'],
  },
];
