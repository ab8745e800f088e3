import type { Mutation } from './mutation.ts';

const TAKE = 'src/erasure/calls/take.ts';
const SETTLE = 'src/erasure/calls/settle.ts';
const CALLS = 'test/integration/calls.test.ts';
const EXERCISE = 'test/kinds/http-delete.test.ts';

/** Calls to partners: asked until they answer, counted once, and never on behalf of somebody else. */
export const CALL_MUTATIONS: readonly Mutation[] = [
  {
    name: 'call-lost-with-its-worker',
    breaks: 'partners: a call whose worker was killed is made again when its lease has ended',
    edits: [{ file: TAKE, find: 'next_at = ${lease}, asked_at', replace: 'next_at = NULL, asked_at' }],
    tests: [CALLS, EXERCISE],
  },
  {
    name: 'call-counted-again',
    breaks: 'partners: a call is counted once, however often it is answered',
    edits: [
      {
        file: SETTLE,
        find: "FROM v WHERE c.id = v.id AND c.state IN ('open', 'accepted')",
        replace: 'FROM v WHERE c.id = v.id',
      },
    ],
    tests: [CALLS, EXERCISE],
  },
  {
    name: 'calls-forget-those-before',
    breaks: 'partners: the ledger adds up what the calls of a task have settled',
    edits: [{ file: SETTLE, find: 'rows_deleted = k.rows_deleted + told.rows', replace: 'rows_deleted = told.rows' }],
    tests: [CALLS, EXERCISE],
  },
  {
    name: 'call-keeps-what-it-said',
    breaks: 'partners: what a call said is destroyed when it is settled',
    edits: [
      {
        file: SETTLE,
        find: "sealed = CASE WHEN v.kind IN ('done', 'dropped') THEN NULL ELSE c.sealed END",
        replace: 'sealed = c.sealed',
      },
    ],
    tests: [CALLS],
  },
  {
    name: 'call-made-while-held',
    breaks: 'partners: nothing is asked while an erasure is on hold',
    edits: [{ file: TAKE, find: '"e.held_at IS NULL AND (e.state', replace: '"(e.state' }],
    tests: [CALLS, EXERCISE],
  },
  {
    name: 'circuit-never-opens',
    breaks: 'partners: a partner that is away is spared',
    edits: [{ file: 'src/erasure/calls/circuit.ts', find: 'OPENS_AFTER = 5;', replace: 'OPENS_AFTER = 5_000_000;' }],
    tests: [CALLS, EXERCISE],
  },
  {
    name: 'circuit-lets-all-through',
    breaks: 'partners: while a circuit is open one call probes, and the others wait',
    edits: [{ file: TAKE, find: 'mine.open ? Math.min(most, mine.probe ? 1 : 0) : most', replace: 'most' }],
    tests: [CALLS, EXERCISE],
  },
  {
    name: 'pause-ignored',
    breaks: 'partners: a pause that a partner asks for is kept by all calls',
    edits: [
      { file: TAKE, find: 'const limit = mine.paused ? 0 : mine.open', replace: 'const limit = mine.open' },
      { file: TAKE, find: 'AND (p.paused_until IS NULL OR p.paused_until <= now()) AND', replace: 'AND' },
    ],
    tests: [CALLS],
  },
  {
    name: 'rate-ignored',
    breaks: 'partners: no more calls begin in a second than the catalog allows',
    edits: [
      {
        file: 'src/erasure/calls/partner-loop.ts',
        find: '(1000 * calls.length) / perSecond',
        replace: '(0 * calls.length) / perSecond',
      },
    ],
    tests: ['test/integration/call-rate.test.ts'],
  },
  {
    name: 'newer-account-asked-for',
    breaks: 'nobody else is touched: what only the key finds is not asked for when somebody new has it',
    edits: [{ file: 'src/erasure/calls/prepare.ts', find: 'if (location.byKeyAlone && (', replace: 'if (false && (' }],
    tests: [CALLS],
  },
];
