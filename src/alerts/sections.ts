import { lines, number, type Section } from './panel.ts';

/** What the dashboard shows of any catalog. */
export const OVERVIEW: Section = {
  title: 'Erasures',
  panels: [
    number('Overdue', 'Live erasures past LETHE_SLA.', 'short', 'max(lethe_erasures_overdue)', { red: 1 }),
    number(
      'Deadline used',
      'The largest part of LETHE_SLA that an erasure has used.',
      'percentunit',
      'max(lethe_erasure_deadline_used_ratio)',
      { yellow: 0.5, red: 0.8 },
    ),
    number('Late tasks', 'Locations past the time that their owner promised.', 'short', 'max(lethe_tasks_overdue)', {
      yellow: 1,
      red: 100,
    }),
    number('Need an operator', 'Stalled erasures.', 'short', 'max(lethe_erasures{state="stalled"})', { red: 1 }),
    number(
      'On hold',
      'Erasures that somebody, or the application, keeps from going on.',
      'short',
      'sum(max by (state) (lethe_erasures_held))',
      { yellow: 1, red: 1000 },
    ),
    number(
      'Last sweep',
      'When a worker last finished a sweep.',
      'dateTimeFromNow',
      'max(lethe_sweep_done_timestamp_seconds) * 1000',
    ),
    lines('Live erasures', 'By state.', 'short', { expr: 'max by (state) (lethe_erasures)', legend: '{{state}}' }),
    lines(
      'Age',
      'Of the oldest live erasure, and of the oldest hold.',
      's',
      { expr: 'max(lethe_oldest_live_erasure_age_seconds)', legend: 'live' },
      { expr: 'max(lethe_oldest_hold_age_seconds)', legend: 'hold' },
      { expr: 'max(lethe_due_not_started_age_seconds)', legend: 'due, not started' },
    ),
    lines('Rows deleted', 'A second, by location.', 'rowsps', {
      expr: 'sum by (location) (rate(lethe_rows_deleted_total[5m]))',
      legend: '{{location}}',
    }),
  ],
};

export const OWNERS: Section = {
  title: 'Owners',
  panels: [
    lines(
      'Deadline used',
      'The largest part of its deadline that an open task has used; from 1 on it is late.',
      'percentunit',
      { expr: 'max by (owner) (lethe_owner_deadline_used_ratio)', legend: '{{owner}}' },
    ),
    lines('Late', 'Open tasks past their deadline.', 'short', {
      expr: 'max by (owner) (lethe_owner_tasks_late)',
      legend: '{{owner}}',
    }),
    lines('Failing', 'Open tasks that do not get on.', 'short', {
      expr: 'max by (owner) (lethe_owner_tasks_failing)',
      legend: '{{owner}}',
    }),
    lines('Time to done, p95', 'Of the newest completed erasures of 30 days.', 's', {
      expr: 'max by (owner) (lethe_owner_done_seconds{quantile="0.95"})',
      legend: '{{owner}}',
    }),
    lines('Done in time', 'Of the same tasks, the part that met its deadline.', 'percentunit', {
      expr: 'max by (owner) (lethe_owner_tasks_done{in_time="true"}) / sum by (owner) (max by (owner, in_time) (lethe_owner_tasks_done))',
      legend: '{{owner}}',
    }),
    lines('Oldest open task', 'Its age.', 's', {
      expr: 'max by (owner) (lethe_owner_oldest_task_age_seconds)',
      legend: '{{owner}}',
    }),
  ],
};

export const PARTNERS: Section = {
  title: 'Partners',
  panels: [
    lines('Away', '1 while a partner is only probed.', 'short', {
      expr: 'max by (partner) (lethe_partner_circuit_open)',
      legend: '{{partner}}',
    }),
    lines('Outstanding calls', 'Not settled yet, counted up to 10,000.', 'short', {
      expr: 'max by (partner) (lethe_partner_calls_outstanding)',
      legend: '{{partner}}',
    }),
    lines('Oldest outstanding call', 'Since it was made for the first time.', 's', {
      expr: 'max by (partner) (lethe_partner_oldest_call_age_seconds)',
      legend: '{{partner}}',
    }),
    lines('Tries', 'A second, by what came of them.', 'reqps', {
      expr: 'sum by (partner, outcome) (rate(lethe_partner_calls_total[5m]))',
      legend: '{{partner}} {{outcome}}',
    }),
    lines('Time of one try, p95', 'From its begin to its answer.', 's', {
      expr: 'histogram_quantile(0.95, sum by (partner, le) (rate(lethe_partner_call_seconds_bucket[5m])))',
      legend: '{{partner}}',
    }),
  ],
};

export const TEST_DATA: Section = {
  title: 'Test data',
  panels: [
    number(
      'Last one failed',
      'Whether the last test data was not erased as it should be.',
      'bool_yes_no',
      'max(lethe_canary_failing)',
      { red: 1 },
    ),
    number(
      'Last passed',
      'When test data was last erased, and looked for everywhere.',
      'dateTimeFromNow',
      'max(lethe_canary_last_passed_timestamp_seconds) * 1000',
    ),
    lines('Findings', 'What was wrong with the last one, by location.', 'short', {
      expr: 'max by (location) (lethe_canary_findings)',
      legend: '{{location}}',
    }),
  ],
};

export const DATASET: Section = {
  title: 'Dataset',
  panels: [
    number(
      'Whole until',
      'The end of the newest day without a gap before it.',
      'dateTimeFromNow',
      'max(lethe_dataset_last_day_timestamp_seconds) * 1000',
    ),
    number('Days missing', 'Days that have ended and are not written.', 'short', 'max(lethe_dataset_days_missing)', {
      yellow: 2,
      red: 3,
    }),
  ],
};

export const MACHINERY: Section = {
  title: 'Queues, pace and database',
  panels: [
    lines('Jobs', 'By queue, waiting or at work.', 'short', {
      expr: 'max by (queue) (sum by (instance, queue) (lethe_queue_jobs{state=~"waiting|prioritized|active"}))',
      legend: '{{queue}}',
    }),
    lines('Jobs ended', 'A second, by name and outcome.', 'ops', {
      expr: 'sum by (name, outcome) (rate(lethe_jobs_total[5m]))',
      legend: '{{name}} {{outcome}}',
    }),
    lines('Chunks that failed', 'A second, by code. Those that met a lock of the application are normal.', 'ops', {
      expr: 'sum by (code) (rate(lethe_chunks_failed_total[5m]))',
      legend: '{{code}}',
    }),
    lines('Slices, p95', 'One transaction, from begin to commit.', 's', {
      expr: 'histogram_quantile(0.95, sum by (location, le) (rate(lethe_slice_duration_seconds_bucket[5m])))',
      legend: '{{location}}',
    }),
    lines('Slowed down', 'Steps, 6 is a trickle.', 'short', { expr: 'max(lethe_pace_step)', legend: 'step' }),
    lines('Pressure', 'What the database says, over its limit.', 'percentunit', {
      expr: 'max by (signal) (lethe_pressure_ratio)',
      legend: '{{signal}}',
    }),
  ],
};

export const EDGES: Section = {
  title: 'API, mail and processes',
  panels: [
    lines('Requests', 'A second, by status.', 'reqps', {
      expr: 'sum by (status) (rate(lethe_http_request_duration_seconds_count[5m]))',
      legend: '{{status}}',
    }),
    lines('Requests, p95', 'By route.', 's', {
      expr: 'histogram_quantile(0.95, sum by (route, le) (rate(lethe_http_request_duration_seconds_bucket[5m])))',
      legend: '{{route}}',
    }),
    lines('Mails', 'Attempts in an hour, by outcome.', 'short', {
      expr: 'sum by (outcome) (increase(lethe_mails_total[1h]))',
      legend: '{{outcome}}',
    }),
    lines('Oldest mail that waits', 'Its age.', 's', {
      expr: 'max(lethe_oldest_pending_mail_age_seconds)',
      legend: 'oldest',
    }),
    lines('Event loop, p99', 'How late timers are, by process.', 's', {
      expr: 'lethe_nodejs_eventloop_lag_p99_seconds',
      legend: '{{instance}}',
    }),
    lines('Catalog drift', 'What does not fit between database and catalog, by process.', 'short', {
      expr: 'lethe_catalog_drift',
      legend: '{{instance}}',
    }),
  ],
};
