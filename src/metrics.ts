import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** Where the numbers of one process and those of the whole cluster are kept; see `docs/operations.md` for each series. */
export type Metrics = ReturnType<typeof createMetrics>;

const PREFIX = 'lethe_';
const SLICE_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.7, 1, 2, 5];
const CHUNK_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];
const CALL_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];
const REQUEST_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 15];

/** What a caller can send as a method is open-ended; a label must not be. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/**
 * The instruments of one role. Labels are locations, routes, names and codes: never an id, a key or a
 * text of the application. `defaults` adds those of the process and its event loop.
 */
export function createMetrics(options: { defaults: boolean }) {
  const own = new Registry();
  const cluster = new Registry();
  if (options.defaults) collectDefaultMetrics({ register: own, prefix: PREFIX });
  const counter = <L extends string>(name: string, help: string, labelNames: L[]) =>
    new Counter({ name: PREFIX + name, help, labelNames, registers: [own] });
  const histogram = <L extends string>(name: string, help: string, labelNames: L[], buckets: number[]) =>
    new Histogram({ name: PREFIX + name, help, labelNames, buckets, registers: [own] });
  const gauge = <L extends string>(registry: Registry, name: string, help: string, labelNames: L[] = []) =>
    new Gauge({ name: PREFIX + name, help, labelNames, registers: [registry] });

  const requests = histogram(
    'http_request_duration_seconds',
    'HTTP requests by route pattern',
    ['method', 'route', 'status'],
    REQUEST_SECONDS,
  );
  const rowsDeleted = counter('rows_deleted_total', 'Rows deleted, counted when their transaction has committed', [
    'location',
  ]);
  const sweptAt = gauge(own, 'sweep_last_run_timestamp_seconds', 'When this process last finished a sweep');
  const reconciledAt = gauge(
    own,
    'reconcile_last_round_timestamp_seconds',
    'When this process last finished a reconcile',
  );
  // A gauge begins at 0, which would read as 1970 for what has never happened. So it is absent until then.
  sweptAt.remove();
  reconciledAt.remove();
  const datasetLastDay = gauge(
    cluster,
    'dataset_last_day_timestamp_seconds',
    'The end of the newest ended day up to which no day is missing in the dataset',
  );
  const datasetMissing = gauge(cluster, 'dataset_days_missing', 'Ended days that are not in the dataset, or not whole');
  datasetLastDay.remove();
  datasetMissing.remove();
  const mails = counter('mails_total', 'Attempts to send a mail, by outcome', ['outcome']);
  // Exists from the start, at 0: an alert that waits for an increase would not see one from nothing to one.
  for (const outcome of ['sent', 'deferred', 'blocked', 'failed', 'uncertain', 'skipped']) mails.inc({ outcome }, 0);
  const calls = counter('partner_calls_total', 'Tries of calls to partners, by what came of them', [
    'partner',
    'outcome',
  ]);
  const callSeconds = histogram(
    'partner_call_seconds',
    'One try of a call to a partner, from its begin to its answer',
    ['partner'],
    CALL_SECONDS,
  );
  const canaryPassedAt = gauge(
    cluster,
    'canary_last_passed_timestamp_seconds',
    'When test data was last erased everywhere',
  );
  canaryPassedAt.remove();
  let exportedUntil = 0;

  return {
    rowsDeleted,
    chunksFinished: counter('chunks_finished_total', 'Chunks deleted to their end', ['location']),
    chunksFailed: counter('chunks_failed_total', 'Attempts at a chunk that failed, by error code', ['code']),
    chunkSeconds: histogram(
      'chunk_duration_seconds',
      'One attempt at a chunk, until it was finished or handed back',
      ['location'],
      CHUNK_SECONDS,
    ),
    sliceSeconds: histogram(
      'slice_duration_seconds',
      'One slice: one transaction from begin to commit',
      ['location'],
      SLICE_SECONDS,
    ),
    pausedSeconds: counter('paused_seconds_total', 'Time that chunks waited between slices because of the pace', []),
    jobs: counter('jobs_total', 'Jobs that were run, by name and how they ended', ['name', 'outcome']),
    mails,
    sweptAt,
    reconciledAt,
    drift: gauge(
      own,
      'catalog_drift',
      'What does not fit between the database and the catalog, as this process sees it',
    ),

    erasures: gauge(cluster, 'erasures', 'Live erasures by state', ['state']),
    held: gauge(cluster, 'erasures_held', 'Live erasures on hold by state', ['state']),
    oldestHold: gauge(cluster, 'oldest_hold_age_seconds', 'Age of the oldest hold; 0 without any'),
    oldestLive: gauge(cluster, 'oldest_live_erasure_age_seconds', 'Age of the oldest live erasure; 0 without any'),
    deadlineUsed: gauge(
      cluster,
      'erasure_deadline_used_ratio',
      'The largest part of its deadline that a live erasure has used; none on hold, none that waits for its start',
    ),
    overdueErasures: gauge(cluster, 'erasures_overdue', 'Live erasures past their deadline'),
    overdueTasks: gauge(
      cluster,
      'tasks_overdue',
      'Unfinished tasks past their deadline, of the 5,000 live erasures of each state that began first',
    ),
    dueNotStarted: gauge(
      cluster,
      'due_not_started_age_seconds',
      'How long the oldest due erasure that is not on hold has waited for a sweep; 0 without any',
    ),
    oldestMail: gauge(
      cluster,
      'oldest_pending_mail_age_seconds',
      'How long the oldest mail that has not been sent has waited; 0 without any',
    ),
    sweepDoneAt: gauge(cluster, 'sweep_done_timestamp_seconds', 'When any worker last finished a sweep'),
    paceStep: gauge(cluster, 'pace_step', 'How far the cluster is slowed down; 0: not at all'),
    paceSlots: gauge(cluster, 'pace_slots', 'Chunks that may run at once in the whole cluster now'),
    pace: gauge(cluster, 'pace', '1 for the pace that the schedule says now', ['pace']),
    pressure: gauge(
      cluster,
      'pressure_ratio',
      'What the database says, over its limit; absent when it cannot be seen',
      ['signal'],
    ),
    circuitOpen: gauge(cluster, 'partner_circuit_open', '1 while a partner is taken to be away and only probed', [
      'partner',
    ]),
    outstandingCalls: gauge(
      cluster,
      'partner_calls_outstanding',
      'Calls that are not settled, by partner; counted up to 10,000',
      ['partner'],
    ),
    oldestCall: gauge(
      cluster,
      'partner_oldest_call_age_seconds',
      'How long ago the oldest outstanding call was made for the first time, by partner; 0 without any',
      ['partner'],
    ),
    datasetLastDay,
    datasetMissing,
    ownerTasks: gauge(cluster, 'owner_tasks', 'Open tasks of live erasures by owner', ['owner']),
    ownerTasksLate: gauge(cluster, 'owner_tasks_late', 'Of the open tasks, those past their deadline', ['owner']),
    ownerTasksFailing: gauge(
      cluster,
      'owner_tasks_failing',
      'Of the open tasks, those that do not get on: they failed, or their partner does not answer',
      ['owner'],
    ),
    ownerOldestTask: gauge(
      cluster,
      'owner_oldest_task_age_seconds',
      'Age of the oldest open task by owner; 0 without any',
      ['owner'],
    ),
    ownerDeadlineUsed: gauge(
      cluster,
      'owner_deadline_used_ratio',
      'The largest part of its deadline that an open task has used, by owner; from 1 on it is late',
      ['owner'],
    ),
    ownerDoneSeconds: gauge(
      cluster,
      'owner_done_seconds',
      'Time from the start of an erasure to the end of its task, of newly completed erasures, by owner',
      ['owner', 'quantile'],
    ),
    ownerTasksDone: gauge(
      cluster,
      'owner_tasks_done',
      'Tasks of newly completed erasures, by owner and whether their deadline was met',
      ['owner', 'in_time'],
    ),
    ownerLastDone: gauge(
      cluster,
      'owner_last_done_timestamp_seconds',
      'When the last task of a newly completed erasure was done, by owner; absent without any',
      ['owner'],
    ),
    queueJobs: gauge(cluster, 'queue_jobs', 'Jobs in Redis by queue and state', ['queue', 'state']),
    canaryFailing: gauge(cluster, 'canary_failing', '1 when the last test data that came to its end was not erased'),
    canaryPassedAt,
    canaryFindings: gauge(
      cluster,
      'canary_findings',
      'What is wrong with the last test data that came to its end, by location',
      ['location'],
    ),

    /** Counts one HTTP request; `route` is the pattern, never the path. */
    observeRequest: (method: string, route: string, status: number, ms: number) =>
      requests.observe({ method: METHODS.has(method) ? method : 'other', route, status: String(status) }, ms / 1000),
    /** Counts one try of a call to a partner; `partner` is its name in the catalog. */
    observeCall: (partner: string, outcome: string, ms: number) => {
      calls.inc({ partner, outcome });
      callSeconds.observe({ partner }, ms / 1000);
    },
    /** Counts rows whose deletion has committed. */
    countRows: (rows: ReadonlyMap<string, number>) => {
      for (const [location, count] of rows) if (count > 0) rowsDeleted.inc({ location }, count);
    },
    /** The cluster's gauges are shown for so many milliseconds from now; 0: not at all. */
    exportCluster: (ms: number) => {
      exportedUntil = performance.now() + ms;
    },
    /** The text format; with the cluster's gauges only while this process is the one that exports them. */
    text: async () => {
      const shown = performance.now() < exportedUntil ? [own, cluster] : [own];
      return (await Promise.all(shown.map((registry) => registry.metrics()))).join('');
    },
    contentType: own.contentType,
    /** Name, help and type of every series, for the test that compares them with the documentation. */
    list: async () => [...(await own.getMetricsAsJSON()), ...(await cluster.getMetricsAsJSON())],
  };
}
