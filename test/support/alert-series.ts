import type { Names } from './alert-catalog.ts';

/** Series by name and labels, with their values a minute in the notation of `promtool test rules`. */
export type Series = Record<string, string>;

/** What fires an alert, when, and what it then says. `missing`: series of the healthy world that are not there. */
export type Firing = {
  alert: string;
  /** Where one alert has several cases. */
  how?: string;
  minutes: number;
  series: Series;
  missing?: string[];
  labels: Record<string, string>;
  summary: string;
  /** False: the alert must not fire, although much speaks for it. */
  fires?: false;
};

/** A string of PromQL, escaped by other means than those that are tested. */
const text = (value: string) => JSON.stringify(value);
export const seriesOf = (name: string, labels: Record<string, string>) =>
  `${name}{${Object.entries(labels)
    .map(([label, value]) => `${label}=${text(value)}`)
    .join(',')}}`;

const LONG = 500;
const always = (value: number | string) => `${value}x${LONG}`;
const growing = (from: number, by: number) => `${from}+${by}x${LONG}`;

const QUEUES = ['erasures', 'chunks', 'partners', 'mail', 'housekeeping', 'dataset'];
const OUTCOMES = ['deferred', 'blocked', 'failed', 'uncertain'];

/** All is well: erasures run, rows go, jobs end, test data passes, the dataset is whole. */
export function healthy({ team, location, partner }: Names): Series {
  const owned = (owner: string) => ({
    [seriesOf('lethe_owner_tasks', { owner })]: always(3),
    [seriesOf('lethe_owner_tasks_late', { owner })]: always(0),
    [seriesOf('lethe_owner_tasks_failing', { owner })]: always(0),
    [seriesOf('lethe_owner_deadline_used_ratio', { owner })]: always(0.1),
  });
  return {
    'lethe_erasures{state="running"}': always(5),
    'lethe_erasures{state="stalled"}': always(0),
    'lethe_erasures_held{state="running"}': always(1),
    'lethe_catalog_drift{instance="w1"}': always(0),
    lethe_erasures_overdue: always(0),
    lethe_tasks_overdue: always(0),
    lethe_erasure_deadline_used_ratio: always(0.1),
    lethe_oldest_live_erasure_age_seconds: always(86_400),
    lethe_sweep_done_timestamp_seconds: growing(0, 60),
    lethe_due_not_started_age_seconds: always(60),
    'lethe_reconcile_last_round_timestamp_seconds{instance="w1"}': growing(0, 60),
    ...Object.fromEntries(QUEUES.map((q) => [`lethe_queue_jobs{queue="${q}",state="waiting"}`, always(0)])),
    'lethe_jobs_total{name="erasure.advance",outcome="dispatch"}': growing(0, 9),
    'lethe_jobs_total{name="chunk.erase",outcome="finished"}': growing(0, 9),
    'lethe_jobs_total{name="account.sign-out",outcome="retried"}': always(0),
    'lethe_process_start_time_seconds{instance="w1"}': always(7),
    'lethe_chunks_failed_total{code="internal_error"}': always(0),
    'lethe_chunks_failed_total{code="contended"}': growing(0, 50),
    ...Object.fromEntries(OUTCOMES.map((outcome) => [`lethe_mails_total{outcome="${outcome}"}`, always(0)])),
    'lethe_mails_total{outcome="sent"}': growing(0, 5),
    lethe_oldest_pending_mail_age_seconds: always(30),
    [seriesOf('lethe_partner_circuit_open', { partner })]: always(0),
    [seriesOf('lethe_partner_oldest_call_age_seconds', { partner })]: always(3600),
    [seriesOf('lethe_partner_calls_total', { partner, outcome: 'done' })]: growing(0, 5),
    lethe_pace_step: always(2),
    lethe_oldest_hold_age_seconds: always(86_400),
    'lethe_http_request_duration_seconds_count{route="/v1",status="500"}': always(3),
    'lethe_http_request_duration_seconds_count{route="/v1",status="200"}': growing(0, 600),
    'lethe_nodejs_eventloop_lag_p99_seconds{instance="w1"}': always(0.02),
    ...owned(team),
    ...owned('other'),
    [seriesOf('lethe_rows_deleted_total', { location })]: growing(0, 1000),
    [seriesOf('lethe_chunks_finished_total', { location })]: growing(0, 1),
    lethe_canary_failing: always(0),
    lethe_canary_last_passed_timestamp_seconds: growing(0, 60),
    [seriesOf('lethe_canary_findings', { location })]: always(0),
    lethe_dataset_last_day_timestamp_seconds: always(0),
    lethe_dataset_days_missing: always(1),
  };
}

/** Nothing is deleted, and no call is settled. */
const still = ({ location, partner }: Names): Series => ({
  [seriesOf('lethe_rows_deleted_total', { location })]: always(1000),
  [seriesOf('lethe_chunks_finished_total', { location })]: always(10),
  [seriesOf('lethe_partner_calls_total', { partner, outcome: 'done' })]: always(5),
});

/** The ways of one deadline to burn, and not to burn. `of`: the gauge's name and labels. */
function burning(
  names: Names,
  of: { used: string; failing: string; fast: string; slow: string; labels: Record<string, string>; words: string },
): Firing[] {
  const fast = { alert: of.fast, minutes: 75, labels: { severity: 'page', ...of.labels } };
  const slow = { alert: of.slow, labels: { severity: 'ticket', ...of.labels } };
  const nothing = (used: string) => `${used} of ${of.words} are used, and nothing gets done`;
  const most = (used: string) => `${used} of ${of.words} are used`;
  const used = (values: string): Series => ({ [of.used]: values });
  const failing = (values: string): Series => ({ [of.failing]: values });
  return [
    {
      ...fast,
      how: 'half is used and it fails',
      series: { ...used(always(0.6)), ...failing(always(2)) },
      summary: nothing('60%'),
    },
    {
      ...fast,
      how: 'half is used and nothing is done',
      series: { ...still(names), ...used(growing(0.5, 0.001)) },
      summary: nothing('57.5%'),
    },
    {
      ...fast,
      how: 'less than half is used',
      fires: false,
      series: { ...still(names), ...used(always(0.45)), ...failing(always(2)) },
      summary: '',
    },
    {
      ...fast,
      how: 'it has failed, and does so no more',
      fires: false,
      series: { ...used(always(0.6)), ...failing('2x70 0x99') },
      summary: '',
    },
    {
      ...fast,
      how: 'it fails for ten minutes only',
      fires: false,
      series: { ...used(always(0.6)), ...failing('0x64 2x99') },
      summary: '',
    },
    {
      ...fast,
      how: 'the use grows while rows are deleted',
      fires: false,
      series: used(growing(0.5, 0.001)),
      summary: '',
    },
    {
      ...fast,
      how: 'the use fell within the hour',
      fires: false,
      series: { ...still(names), ...used('0.6+0.001x50 0.58+0.001x99') },
      summary: '',
    },
    { ...slow, how: 'the use only grows', minutes: 60, series: used(growing(0.81, 0.001)), summary: most('84%') },
    {
      ...slow,
      how: 'one after the other is done at the last moment',
      minutes: 400,
      series: used(`${'0.97x30 0.85x30 '.repeat(7)}`),
      summary: most('85%'),
    },
    { ...slow, how: 'four fifths are not used', fires: false, minutes: 60, series: used(always(0.79)), summary: '' },
    {
      ...slow,
      how: 'it is so for twenty minutes',
      fires: false,
      minutes: 60,
      series: used('0.5x40 0.9x99'),
      summary: '',
    },
    {
      ...slow,
      how: 'one was done at the last moment',
      fires: false,
      minutes: 400,
      series: used('0.3x200 0.2x160 0.85x99'),
      summary: '',
    },
  ];
}

/** How each alert is made to fire. */
export function firings(names: Names): Firing[] {
  const { team, location, partner, tester, warehouse } = names;
  const lethe = (severity: string, labels: Record<string, string> = {}) => ({ severity, owner: 'lethe', ...labels });
  const at = (minutes: number) => ({ minutes });
  return [
    {
      alert: 'LetheErasureStalled',
      ...at(10),
      series: { 'lethe_erasures{state="stalled"}': always(2) },
      labels: lethe('page'),
      summary: '2 erasure(s) need an operator',
    },
    {
      alert: 'LetheCatalogDrifted',
      ...at(10),
      series: { 'lethe_catalog_drift{instance="w1"}': always(1) },
      labels: lethe('page'),
      summary: '1 thing(s) in the database do not fit the catalog: erasures that they affect stall',
    },
    {
      alert: 'LetheErasureOverdue',
      ...at(10),
      series: { lethe_erasures_overdue: always(1) },
      labels: lethe('page'),
      summary: '1 erasure(s) are past their legal deadline',
    },
    {
      alert: 'LetheTaskOverdue',
      ...at(15),
      series: { lethe_tasks_overdue: always(1) },
      labels: lethe('ticket'),
      summary: '1 location(s) are past the time that their owner promised',
    },
    {
      alert: 'LetheErasureOld',
      ...at(10),
      series: { lethe_oldest_live_erasure_age_seconds: always(21 * 86_400) },
      labels: lethe('ticket'),
      summary: 'The oldest erasure has been open for 20 days of 30',
    },
    {
      alert: 'LetheSweepMissing',
      ...at(150),
      series: { lethe_sweep_done_timestamp_seconds: always(0) },
      labels: lethe('page'),
      summary: 'No sweep has ended for two hours',
    },
    {
      alert: 'LetheDueNotStarted',
      ...at(10),
      series: { lethe_due_not_started_age_seconds: always(1000) },
      labels: lethe('page'),
      summary: 'An erasure has been due for 16m 40s and has not started',
    },
    {
      alert: 'LetheReconcileLate',
      ...at(20),
      series: { 'lethe_reconcile_last_round_timestamp_seconds{instance="w1"}': always(0) },
      labels: lethe('ticket', { instance: 'w1' }),
      summary: 'w1 has not compared Postgres with Redis for five minutes',
    },
    {
      alert: 'LetheGaugesMissing',
      ...at(10),
      series: {},
      missing: ['lethe_erasures{'],
      labels: lethe('page'),
      summary: 'Nobody exports the backlog; no process reaches Postgres, or none runs',
    },
    {
      alert: 'LetheQueueDepthsMissing',
      ...at(10),
      series: {},
      missing: ['lethe_queue_jobs'],
      labels: lethe('page'),
      summary: 'The process that exports the gauges does not reach Redis',
    },
    {
      alert: 'LetheNothingDeleted',
      ...at(45),
      series: { 'lethe_jobs_total{name="erasure.advance",outcome="dispatch"}': always(9) },
      labels: lethe('page'),
      summary: 'Erasures run, but no worker moves them on',
    },
    {
      alert: 'LetheNothingDeleted',
      how: 'all that runs is on hold',
      fires: false,
      ...at(45),
      series: {
        'lethe_jobs_total{name="erasure.advance",outcome="dispatch"}': always(9),
        'lethe_erasures_held{state="running"}': always(5),
      },
      labels: {},
      summary: '',
    },
    {
      alert: 'LetheWorkerRestarting',
      ...at(20),
      series: { 'lethe_process_start_time_seconds{instance="w1"}': growing(7, 1) },
      labels: lethe('page', { instance: 'w1' }),
      summary: 'w1 keeps restarting',
    },
    {
      alert: 'LetheChunksFailing',
      ...at(20),
      series: { 'lethe_chunks_failed_total{code="internal_error"}': growing(0, 4) },
      labels: lethe('ticket', { code: 'internal_error' }),
      summary: 'Chunks fail with internal_error',
    },
    {
      alert: 'LetheMailLost',
      ...at(20),
      series: { 'lethe_mails_total{outcome="failed"}': growing(0, 1) },
      labels: lethe('ticket', { outcome: 'failed' }),
      summary: 'A confirmation mail is failed: tell the user by other means',
    },
    {
      alert: 'LetheMailBlocked',
      ...at(20),
      series: { 'lethe_mails_total{outcome="blocked"}': growing(0, 1) },
      labels: lethe('ticket'),
      summary: 'The mail provider refuses the sender or the configuration; mails wait for an operator',
    },
    {
      alert: 'LetheMailWaiting',
      ...at(10),
      series: { lethe_oldest_pending_mail_age_seconds: always(5 * 3600) },
      labels: lethe('ticket'),
      summary: 'A mail has waited for 5h 0m 0s',
    },
    {
      alert: 'LetheMailDeferred',
      ...at(70),
      series: {
        'lethe_mails_total{outcome="deferred"}': growing(0, 1),
        'lethe_mails_total{outcome="sent"}': always(3),
      },
      labels: lethe('ticket'),
      summary: 'The mail provider takes nothing',
    },
    {
      alert: 'LetheSignOutDeferred',
      ...at(70),
      series: { 'lethe_jobs_total{name="account.sign-out",outcome="retried"}': growing(0, 1) },
      labels: lethe('ticket'),
      summary: 'The application does not take sign-outs; tokens of erased accounts stay valid',
    },
    {
      alert: 'LethePartnerAway',
      ...at(70),
      series: { [seriesOf('lethe_partner_circuit_open', { partner })]: always(1) },
      labels: lethe('ticket', { partner }),
      summary: `The partner ${partner} has not answered for an hour: erasures await it`,
    },
    {
      alert: 'LethePartnerSilent',
      ...at(10),
      series: { [seriesOf('lethe_partner_oldest_call_age_seconds', { partner })]: always(4 * 86_400) },
      labels: lethe('ticket', { partner }),
      summary: `A call to ${partner} has been outstanding for 4d 0h 0m 0s`,
    },
    {
      alert: 'LethePaceSlowed',
      ...at(40),
      series: { lethe_pace_step: always(5) },
      labels: lethe('ticket'),
      summary: 'Erasures are slowed to step 5 of 6 by what the database says',
    },
    {
      alert: 'LetheHoldForgotten',
      ...at(10),
      series: { lethe_oldest_hold_age_seconds: always(15 * 86_400) },
      labels: lethe('ticket'),
      summary: 'An erasure has been on hold for 15d 0h 0m 0s',
    },
    {
      alert: 'LetheErrors',
      ...at(20),
      series: { 'lethe_http_request_duration_seconds_count{route="/v1",status="500"}': growing(0, 30) },
      labels: lethe('ticket', { route: '/v1' }),
      summary: '/v1 answers with errors',
    },
    {
      alert: 'LetheEventLoopSlow',
      ...at(20),
      series: { 'lethe_nodejs_eventloop_lag_p99_seconds{instance="w1"}': always(0.9) },
      labels: lethe('ticket', { instance: 'w1' }),
      summary: 'w1 has too little CPU: job locks may be lost',
    },
    ...QUEUES.map(
      (queue): Firing => ({
        alert: 'LetheQueueStuck',
        how: queue,
        minutes: 30,
        series: {
          [`lethe_queue_jobs{queue="${queue}",state="waiting"}`]: always(4),
          'lethe_jobs_total{name="erasure.advance",outcome="dispatch"}': always(9),
          'lethe_jobs_total{name="chunk.erase",outcome="finished"}': always(9),
          [seriesOf('lethe_rows_deleted_total', { location })]: always(9),
        },
        labels: lethe('page', { queue }),
        summary: `4 job(s) wait in the queue ${queue}, and none ends`,
      }),
    ),
    {
      alert: 'LetheQueueStuck',
      how: 'jobs wait and others end',
      fires: false,
      ...at(30),
      series: { 'lethe_queue_jobs{queue="erasures",state="waiting"}': always(4) },
      labels: {},
      summary: '',
    },
    {
      alert: 'LetheQueueStuck',
      how: 'one chunk takes long, and its rows go',
      fires: false,
      ...at(30),
      series: {
        'lethe_queue_jobs{queue="chunks",state="waiting"}': always(4),
        'lethe_jobs_total{name="chunk.erase",outcome="finished"}': always(9),
      },
      labels: {},
      summary: '',
    },
    ...burning(names, {
      used: 'lethe_erasure_deadline_used_ratio',
      failing: 'lethe_erasures{state="stalled"}',
      fast: 'LetheDeadlineBurningFast',
      slow: 'LetheDeadlineBurningSlow',
      labels: { owner: 'lethe' },
      words: 'an erasure’s legal deadline',
    }),
    {
      alert: 'LetheOwnerFailing',
      ...at(20),
      series: { [seriesOf('lethe_owner_tasks_failing', { owner: team })]: always(2) },
      labels: { severity: 'ticket', owner: team },
      summary: `2 task(s) of ${team} fail`,
    },
    {
      alert: 'LetheOwnerLate',
      ...at(10),
      series: { [seriesOf('lethe_owner_tasks_late', { owner: team })]: always(2) },
      labels: { severity: 'page', owner: team },
      summary: `2 task(s) of ${team} are past their deadline`,
    },
    ...burning(names, {
      used: seriesOf('lethe_owner_deadline_used_ratio', { owner: team }),
      failing: seriesOf('lethe_owner_tasks_failing', { owner: team }),
      fast: 'LetheOwnerBurningFast',
      slow: 'LetheOwnerBurningSlow',
      labels: { owner: team },
      words: `a deadline of ${team}`,
    }),
    {
      alert: 'LethePartnerCircuitOpen',
      ...at(15),
      series: { [seriesOf('lethe_partner_circuit_open', { partner })]: always(1) },
      labels: { severity: 'ticket', owner: team, partner },
      summary: `${partner} has not answered for ten minutes: calls wait, and one probes it`,
    },
    {
      alert: 'LetheTestDataLeft',
      ...at(10),
      series: { [seriesOf('lethe_canary_findings', { location })]: always(1) },
      labels: { severity: 'page', owner: team, location },
      summary: `Test data was not erased from ${location}, for which ${team} answers`,
    },
    {
      alert: 'LetheTestDataFailing',
      ...at(10),
      series: { lethe_canary_failing: always(1) },
      labels: { severity: 'page', owner: tester },
      summary: 'The last test data was not erased as it should: accounts of users may not be, either',
    },
    {
      alert: 'LetheTestDataMissing',
      ...at(45),
      series: { lethe_canary_last_passed_timestamp_seconds: always(0) },
      labels: { severity: 'ticket', owner: tester },
      summary: 'No test data has been planted and erased for 31m',
    },
    {
      alert: 'LetheTestDataNeverPassed',
      ...at(45),
      series: {},
      missing: ['lethe_canary_last_passed'],
      labels: { severity: 'ticket', owner: tester },
      summary: 'No test data has ever been planted and erased, for 31m',
    },
    {
      alert: 'LetheDatasetMissing',
      how: 'the newest day is old',
      ...at(20),
      series: { lethe_dataset_last_day_timestamp_seconds: always(-90_000) },
      labels: { severity: 'page', owner: warehouse },
      summary: 'A day of the dataset has been due since 1h after its end, and is not there',
    },
    {
      alert: 'LetheDatasetMissing',
      how: 'no day was ever written',
      ...at(20),
      series: { lethe_dataset_days_missing: always(3) },
      missing: ['lethe_dataset_last_day'],
      labels: { severity: 'page', owner: warehouse },
      summary: 'A day of the dataset has been due since 1h after its end, and is not there',
    },
    {
      alert: 'LetheDatasetMissing',
      how: 'the first day has just ended',
      fires: false,
      ...at(20),
      series: {},
      missing: ['lethe_dataset_last_day'],
      labels: {},
      summary: '',
    },
  ];
}
