import { sizeWords } from './bars.ts';
import type { Extras, Result, Row } from './result.ts';

const fixed = (n: number | null | undefined, digits = 1) =>
  n === null || n === undefined || !Number.isFinite(n)
    ? '–'
    : n.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });

/** Columns padded to their widest cell, the first one to the left. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => (row[i] as string).length)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] as number) : cell.padStart(widths[i] as number)))
        .join('  '),
    )
    .join('\n');
}

const HEAD = [
  'contender',
  'posts',
  'seconds',
  'min–max',
  'rows/s',
  'µs/row',
  'p50',
  'p95',
  'p99',
  'max ms',
  'WAL MB',
  'worker MiB',
  'Redis MiB',
];

const cells = (row: Row): string[] => [
  row.what,
  sizeWords(row.posts),
  fixed(row.seconds.median, 2),
  `${fixed(row.seconds.min, 2)}–${fixed(row.seconds.max, 2)}`,
  fixed(row.rowsPerSecond, 0),
  fixed(row.microsecondsPerRow, 2),
  fixed(row.latency.p50),
  fixed(row.latency.p95),
  fixed(row.latency.p99),
  fixed(row.latency.max),
  fixed(row.walMegabytes, 0),
  fixed(row.workerMemory, 0),
  fixed(row.redisMemory),
];

function extraLines(extras: Extras): string[] {
  const { immediate, statusReads, crowd, beside, idleWorker, queueMsPerChunk, partners = {}, watching = {} } = extras;
  const { calls, hanging, recovery, publishing, replay, three } = partners;
  return [
    immediate &&
      `500 posts inside the request: ${fixed(immediate.requestMs)} ms, the bare transaction ${fixed(immediate.bareMs)} ms`,
    statusReads &&
      `status reads: ${fixed(statusReads.status, 0)} requests/s of one erasure, ${fixed(statusReads.spread, 0)} of many; a bare route ${fixed(statusReads.bare, 0)}`,
    beside &&
      `2,000 posts: ${fixed(beside.aloneSeconds, 2)} s alone, ${fixed(beside.besideSeconds, 2)} s while ${sizeWords(beside.largePosts)} are erased`,
    crowd &&
      `${crowd.accounts.toLocaleString('en-US')} accounts of 2,000 posts at once: ${fixed(crowd.seconds)} s, ${fixed(crowd.rowsPerSecond, 0)} rows/s`,
    crowd &&
      `accepted POSTs at 200/s: p50 ${fixed(crowd.accept.p50)}, p95 ${fixed(crowd.accept.p95)}, p99 ${fixed(crowd.accept.p99)}, max ${fixed(crowd.accept.max)} ms; ${crowd.accept.refused} of ${crowd.accept.n + crowd.accept.refused} refused`,
    idleWorker &&
      `an idle worker: ${fixed(idleWorker.cpuPercent)} % of a processor, ${fixed(idleWorker.memory, 0)} MiB`,
    calls &&
      `calls to a partner: ${fixed(calls.callsPerSecond, 0)}/s, ledger committed; a bare loop ${fixed(calls.barePerSecond, 0)}/s`,
    hanging &&
      `calls to a partner: ${fixed(hanging.alonePerSecond, 0)}/s alone, ${fixed(hanging.besidePerSecond, 0)}/s beside one that hangs`,
    recovery &&
      `${recovery.tasks.toLocaleString('en-US')} tasks that wait for a partner of ${recovery.perSecond}/s: done ${fixed(recovery.seconds)} s after its recovery`,
    publishing &&
      `events to a stream: ${fixed(publishing.eventsPerSecond, 0)}/s, each marked in Postgres; bare pipelined XADD ${fixed(publishing.barePerSecond, 0)}/s`,
    replay &&
      `${replay.events.toLocaleString('en-US')} events again: ${fixed(replay.perSecond, 0)}/s, Redis grows by ${fixed(replay.grownMiB)} MiB at most`,
    three && `erasures of small accounts through three partners: ${fixed(three.perSecond)}/s`,
    ...(watching.dataset ?? []).map(
      ({ rows, seconds, memory }) =>
        `a day of ${sizeWords(rows)} erasures as Parquet and lines: ${fixed(seconds)} s, ${fixed(memory, 0)} MiB`,
    ),
    watching.canary &&
      `one cycle of test data beside ${watching.canary.erasures.toLocaleString('en-US')} erasures: ${watching.canary.rows} of ${watching.canary.allRows.toLocaleString('en-US')} rows, ${watching.canary.calls} of ${watching.canary.allCalls.toLocaleString('en-US')} calls`,
    ...(watching.sabotage ?? []).map(({ name, seconds }) => `sabotage: ${name}: reported after ${fixed(seconds)} s`),
    queueMsPerChunk !== undefined && `BullMQ itself: ${fixed(queueMsPerChunk, 2)} ms a chunk`,
  ].filter((line): line is string => typeof line === 'string');
}

/** The result as text: a table of contenders, the other figures, and each bar. */
export function render(result: Result): string {
  const { p50, p95, p99, max } = result.idle;
  const bars = result.bars.map((bar) => [
    `${bar.holds ? 'holds ' : 'MISSED'} ${bar.name}`,
    fixed(bar.value, 2),
    `limit ${fixed(bar.limit, 2)}`,
  ]);
  return [
    `commit ${result.commit}, ${Object.entries(result.machine)
      .map(([k, v]) => `${k} ${v}`)
      .join(', ')}`,
    `the application alone: p50 ${fixed(p50)}, p95 ${fixed(p95)}, p99 ${fixed(p99)}, max ${fixed(max)} ms`,
    '',
    ...(result.contenders.length === 0
      ? []
      : [table([HEAD, ...[...result.contenders].sort((a, b) => a.posts - b.posts).map(cells)]), '']),
    ...extraLines(result.extras),
    '',
    bars.length > 0 ? table(bars) : 'no bar was measured',
  ].join('\n');
}
