import type { Mutation } from './mutation.ts';

const RANGES = 'src/locations/table/rows/ranges.ts';
const MANY_SESSIONS = 'test/integration/many-sessions.test.ts';
const WINDOW = 'src/erasure/steps/next-window.ts';
const ADVANCE = 'src/erasure/steps/advance.ts';
const DISPATCH = 'src/erasure/model/dispatch.ts';
const RECONCILE = 'src/erasure/upkeep/lost-steps.ts';
const CLAIM = 'src/erasure/steps/claim-chunk.ts';
const EXACT = 'test/integration/exact.test.ts';
const IN_THE_WAY = 'test/integration/in-the-way.test.ts';
const HOLD = 'test/integration/hold.test.ts';
const LIFECYCLE = 'test/integration/lifecycle.test.ts';
const PACE = 'test/integration/pace.test.ts';
const BOUNDED = 'test/integration/bounded.test.ts';
const SLICE_SIZE = 'test/unit/slice-size.test.ts';
const SLICE = 'src/pace/slice-size.ts';
const LIMITS = 'src/store/limits.ts';

/** Plan, windows, chunks, and what keeps them going. */
export const STEPS: readonly Mutation[] = [
  {
    name: 'chunks-a-row-too-large',
    breaks: 'bounded: a chunk has the rows that it was planned with',
    edits: [{ file: RANGES, find: 'OFFSET ${chunkRows - 1}::bigint', replace: 'OFFSET ${chunkRows}::bigint' }],
    tests: [EXACT],
  },
  {
    name: 'begun-beside-rows-of-others',
    breaks: 'what cannot end does not begin: rows of others stop an erasure while it can be undone',
    edits: [
      {
        file: 'src/locations/table/look-for-strays.ts',
        find: 'if (!begun) await refuseStrays(ctx, account);',
        replace: 'void refuseStrays;',
      },
    ],
    tests: ['test/integration/strays.test.ts'],
  },
  {
    name: 'others-below-of-anybody',
    breaks: 'nobody else stops an erasure: the account’s own rows are not in its way',
    edits: [
      {
        file: 'src/locations/table/rows/count-strays.ts',
        find: ' IS NOT TRUE` : sql`true`',
        replace: ' IS NOT NULL` : sql`true`',
      },
    ],
    tests: ['test/integration/strays.test.ts'],
  },
  {
    name: 'plan-without-the-rest',
    breaks: 'exact evidence: the plan covers every row, also those after the last whole chunk',
    edits: [{ file: RANGES, find: 'ORDER BY rest.n DESC LIMIT 1', replace: 'ORDER BY rest.n LIMIT 1' }],
    tests: [EXACT],
  },
  {
    name: 'verification-skipped',
    breaks: 'nothing is left: rows behind the cursors mean another pass',
    edits: [
      {
        file: 'src/erasure/steps/verify-and-finish.ts',
        find: 'if (left.length > 0) return orNull(await startPass(ctx, running, left));',
        replace: '',
      },
    ],
    tests: [EXACT],
  },
  {
    name: 'passes-without-end',
    breaks: 'nothing is left, or somebody is told: an account that is still written stalls',
    edits: [{ file: WINDOW, find: 'if (running.passes >= MAX_PASSES) {', replace: 'if (running.passes < 0) {' }],
    tests: [IN_THE_WAY],
  },
  {
    name: 'chunk-tried-for-ever',
    breaks: 'somebody is told: a chunk that makes no progress stalls its erasure',
    edits: [{ file: WINDOW, find: 'c.dispatches >= MAX_DISPATCHES', replace: 'c.dispatches < 0' }],
    tests: [IN_THE_WAY],
  },
  {
    name: 'step-of-somebody-else',
    breaks: 'delivered twice counts once: a parent of another step is superseded',
    edits: [{ file: ADVANCE, find: '|| running.step !== step', replace: '' }],
    tests: [EXACT],
  },
  {
    name: 'dispatch-whatever-the-step',
    breaks: 'delivered twice counts once: of two that dispatch one does',
    edits: [{ file: DISPATCH, find: ', eq(erasure.step, seen.step)', replace: '' }],
    tests: [EXACT, LIFECYCLE],
  },
  {
    name: 'dispatch-while-held',
    breaks: 'a hold freezes: nothing is sent out while it stands',
    edits: [{ file: DISPATCH, find: 'hasStepsInSql(), ', replace: "sql`state = 'running'`, " }],
    tests: [HOLD],
  },
  {
    name: 'chunk-while-held',
    breaks: 'a hold freezes: a running chunk stops at its next slice',
    edits: [{ file: CLAIM, find: "${hasStepsInSql('e.')}", replace: "e.state = 'running'" }],
    tests: [HOLD],
  },
  {
    name: 'application-hold-not-read-between-windows',
    breaks: 'a hold in the application freezes: its column is read before every window',
    edits: [
      { file: ADVANCE, find: "if (await holdForApplication(ctx, running)) return { kind: 'held' };", replace: '' },
    ],
    tests: [HOLD],
  },
  {
    name: 'pace-ignored',
    breaks: 'gentle: every slice obeys the cluster’s pace',
    edits: [
      {
        file: CLAIM,
        find: 'return allowanceOf(current.pace, current.step, ctx.settings);',
        replace: "return allowanceOf('full', 0, ctx.settings);",
      },
    ],
    tests: [PACE],
  },
  {
    name: 'lease-for-everybody',
    breaks: 'gentle: one process at a time decides the pace',
    edits: [
      {
        file: 'src/store/lease.ts',
        find: "WHERE lethe.duty.holder = excluded.holder OR coalesce(lethe.duty.held_until, '-infinity') < now()",
        replace: '',
      },
    ],
    tests: [PACE],
  },
  {
    name: 'large-before-small',
    breaks: 'fair: one huge account never starves small ones',
    edits: [
      { file: DISPATCH, find: '1 + Math.floor(Math.log2(Math.max(1, rowsPlanned)))', replace: '1 + 0 * rowsPlanned' },
    ],
    tests: ['test/unit/schedule.test.ts'],
  },
  {
    name: 'sweep-starts-what-is-held',
    breaks: 'a hold freezes: what is due does not start',
    edits: [
      { file: 'src/erasure/accept/start.ts', find: 'sql`now()`), notHeld) as SQL', replace: 'sql`now()`)) as SQL' },
    ],
    tests: [HOLD],
  },
  {
    name: 'reconcile-off',
    breaks: 'Redis only delivers: what it lost is dispatched again',
    edits: [
      {
        file: RECONCILE,
        find: 'jobId !== null && (await queues.isLive(jobId))',
        replace: 'jobId !== null',
      },
    ],
    tests: [LIFECYCLE],
  },
  {
    name: 'one-erasure-stops-the-others',
    breaks: 'each erasure gets its turn: one that fails keeps no other from its own',
    edits: [
      {
        file: 'src/erasure/model/each-erasure.ts',
        find: 'await orLogged(ctx, of.id, what, () => turn(of))',
        replace: 'await turn(of)',
      },
    ],
    tests: ['test/integration/each-erasure.test.ts'],
  },
  {
    name: 'page-without-its-last',
    breaks: 'each erasure gets its turn: also those behind a full page',
    edits: [
      { file: 'src/erasure/model/each-erasure.ts', find: 'page.length < pageRows', replace: 'page.length <= pageRows' },
    ],
    tests: ['test/integration/each-erasure.test.ts'],
  },
  {
    name: 'undelivered-is-not-given-back',
    breaks: 'Redis only delivers: what did not reach it is due again at once',
    edits: [{ file: 'src/store/take-due.ts', find: 'if (ids.length > 0)', replace: 'if (ids.length < 0)' }],
    tests: ['test/integration/take-due.test.ts'],
  },
  {
    name: 'stop-before-redis-has-it',
    breaks: 'a stop hands over: what a request has asked of Redis gets there',
    edits: [
      { file: 'src/main.ts', find: "  closables.push({ name: 'queues', close: enqueue.settled });\n", replace: '' },
    ],
    tests: ['test/fault/redis.test.ts'],
  },
  {
    name: 'command-ends-before-redis-has-it',
    breaks: 'a command hands over: what it has asked of Redis gets there',
    edits: [
      {
        file: 'src/cli/shell/open.ts',
        find: 'await put(enqueue).finally(enqueue.settled)',
        replace: 'await put(enqueue)',
      },
    ],
    tests: ['test/integration/command-line-verbs.test.ts'],
  },
  {
    name: 'reconcile-repeats-what-is-live',
    breaks: 'Redis only delivers: what is there is left alone',
    edits: [
      { file: RECONCILE, find: 'jobId !== null && (await queues.isLive(jobId))', replace: 'jobId === undefined' },
    ],
    tests: [LIFECYCLE],
  },
  {
    name: 'lost-sweep-not-made-up-for',
    breaks: 'Redis only delivers: what a lost sweep should have started is started',
    edits: [
      {
        file: 'src/jobs/list/erasure-sweep.ts',
        find: 'startDue(ctx, (d) => put(windowOrder(d)), MISSED_SWEEP_MS)',
        replace: 'Promise.resolve(0)',
      },
    ],
    tests: [LIFECYCLE],
  },
  {
    name: 'signed-out-at-the-start',
    breaks: 'signed out at once: what the request leaves of many sessions does not wait for the start',
    edits: [{ file: 'src/erasure/upkeep/lost-steps.ts', find: '(await lost(deletesSessions())) + ', replace: '' }],
    tests: [MANY_SESSIONS],
  },
  {
    name: 'signed-out-while-held',
    breaks: 'a hold freezes: a person’s hold also keeps the sessions',
    edits: [
      {
        file: 'src/erasure/model/states.ts',
        find: 'isDeletingSessions(e)\n    ? e.heldAt === null || e.heldBy === BY_APPLICATION',
        replace: 'isDeletingSessions(e) ? true',
      },
      {
        file: 'src/erasure/model/states.ts',
        find: "AND (${of}held_at IS NULL OR ${of}held_by = '${BY_APPLICATION}'))",
        replace: ')',
      },
    ],
    tests: [MANY_SESSIONS],
  },
  {
    name: 'window-of-all-chunks',
    breaks: 'bounded: Redis holds a window of chunks, whatever the size of the account',
    edits: [{ file: WINDOW, find: '.limit(ctx.settings.windowChunks)', replace: '' }],
    tests: [BOUNDED],
  },
  {
    name: 'slice-larger-than-the-pace-allows',
    breaks: 'gentle: a slice takes no more rows than the pace allows',
    edits: [
      {
        file: SLICE,
        find: 'return Math.min(most, this.#sizes.get(location) ?? FIRST_SLICE);',
        replace: 'return this.#sizes.get(location) ?? Math.min(most, FIRST_SLICE);',
      },
    ],
    tests: [SLICE_SIZE, PACE],
  },
  {
    name: 'wait-while-holding',
    breaks: 'the application wins: a slice that holds rows does not wait for further ones',
    edits: [{ file: LIMITS, find: 'GIVE_WAY_MS = 10;', replace: 'GIVE_WAY_MS = 60_000;' }],
    tests: [IN_THE_WAY],
  },
  {
    name: 'completed-beside-what-outlives-the-account',
    breaks: 'nothing is left, or it is not complete: what outlives the account is asked for and awaited',
    edits: [
      {
        file: 'src/erasure/steps/complete.ts',
        find: 'if (ctx.catalog.locations.some((l) => outlives(ctx.kinds, l))) {',
        replace: 'if (ctx.catalog.locations.length < 0) {\n    void outlives;',
      },
    ],
    tests: ['test/kinds/awaiting.test.ts'],
  },
  {
    name: 'answer-without-a-step',
    breaks: 'an erasure ends: the last answer begins the step that completes it',
    edits: [
      {
        file: 'src/erasure/steps/acknowledge.ts',
        find: 'await tx.update(erasure).set({ dispatchedAt: sql`now()` }).where(eq(erasure.id, erasureId));\n    return of;',
        replace: 'return null;',
      },
    ],
    tests: ['test/kinds/awaiting.test.ts'],
  },
];
