import { burningFast, burningSlow } from './burning.ts';
import { promqlAnyOf, promqlText } from './escape.ts';
import { GENERAL } from './general.ts';
import type { Rule } from './rule.ts';

/** The jobs of each queue, by the names that `lethe_jobs_total` counts; a test compares them with the list of jobs. */
export const JOBS_OF_QUEUE = {
  erasures: ['erasure.advance'],
  chunks: ['chunk.erase'],
  partners: ['account.sign-out', 'partner.acknowledge'],
  mail: ['mail.send'],
  housekeeping: ['erasure.sweep'],
  dataset: ['dataset.build'],
} as const;

const OVERALL = {
  used: 'max(lethe_erasure_deadline_used_ratio)',
  failing: 'max(lethe_erasures{state="stalled"})',
  done: [
    'lethe_rows_deleted_total',
    'lethe_chunks_finished_total',
    'lethe_partner_calls_total{outcome=~"done|accepted|more"}',
  ],
};

const BURNING: readonly Rule[] = [
  {
    alert: 'LetheDeadlineBurningFast',
    expr: burningFast(OVERALL),
    for: '5m',
    severity: 'page',
    summary: '{{ $value | humanizePercentage }} of an erasure’s legal deadline are used, and nothing gets done',
    runbook: 'a-deadline-burns',
  },
  {
    alert: 'LetheDeadlineBurningSlow',
    expr: burningSlow(OVERALL),
    for: '5m',
    severity: 'ticket',
    summary: '{{ $value | humanizePercentage }} of an erasure’s legal deadline are used',
    runbook: 'a-deadline-burns',
  },
];

/** A queue in which jobs wait and none ends. Rows count as well: slowed down, one chunk may take longer than that. */
function stuckRule([queue, jobs]: [string, readonly string[]]): Rule {
  const waiting = `max(sum by (instance) (lethe_queue_jobs{queue=${promqlText(queue)},state=~"waiting|prioritized"}))`;
  const ended = `sum(increase(lethe_jobs_total{name=~${promqlAnyOf(jobs)}}[15m])) > 0`;
  const rows = queue === 'chunks' ? ' or sum(increase(lethe_rows_deleted_total[15m])) > 0' : '';
  return {
    alert: 'LetheQueueStuck',
    expr: `min_over_time(${waiting}[15m:1m]) > 0\n  unless (${ended}${rows})`,
    for: '5m',
    severity: 'page',
    labels: { queue },
    summary: `{{ $value }} job(s) wait in the queue ${queue}, and none ends`,
    runbook: 'a-queue-is-stuck',
  };
}

/** What the operators of Lethe are told, whoever owns what. */
export const OVERALL_RULES: readonly Rule[] = [...GENERAL, ...BURNING, ...Object.entries(JOBS_OF_QUEUE).map(stuckRule)];
