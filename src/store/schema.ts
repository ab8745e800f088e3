import { sql } from 'drizzle-orm';
import {
  bigint,
  boolean,
  check,
  customType,
  date,
  doublePrecision,
  index,
  integer,
  jsonb,
  pgSchema,
  text,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core';
import { fromMs } from './milliseconds.ts';

/** The type of every time. */
export const TIME = 'timestamp with time zone';

/** Lethe's own tables. They live in the application's database so that evidence commits with the deletion. */
export const lethe = pgSchema('lethe');

/** A time. It is sent as ISO 8601, which every DateStyle reads alike, and read as `store/client.ts` selects it. */
const at = customType<{ data: Date; driverData: unknown }>({
  dataType: () => TIME,
  toDriver: (time) => time.toISOString(),
  fromDriver: fromMs,
});

/** One account's request and its whole life. */
export const erasure = lethe.table(
  'erasure',
  {
    id: uuid('id').primaryKey(),
    /** The key as the database prints it; null once scrubbed. */
    accountKey: text('account_key'),
    /** HMAC of the key: answers "was this account erased?" after the scrub. */
    accountDigest: text('account_digest'),
    /** When the account was created (seconds), as the request found it: a newer one with its key has another time. */
    accountCreated: text('account_created'),
    /** Where the confirmation goes; null as soon as it has gone there. */
    email: text('email'),
    state: text('state').notNull(),
    mode: text('mode').notNull(),
    requestedAt: at('requested_at').notNull().default(sql`now()`),
    startsAt: at('starts_at').notNull(),
    startedAt: at('started_at'),
    dueAt: at('due_at').notNull(),
    completedAt: at('completed_at'),
    cancelledAt: at('cancelled_at'),
    /** When it was closed because somebody new has the account's key. */
    newerAccountAt: at('newer_account_at'),
    requestedBy: text('requested_by'),
    /** Number of the window that is out; a parent job of another step is superseded. */
    step: integer('step').notNull().default(0),
    jobId: text('job_id'),
    dispatchedAt: at('dispatched_at'),
    retryAt: at('retry_at'),
    heldAt: at('held_at'),
    /** `account.hold` (the application's column), `key:<name>`, `user:<name>` or `cli`. */
    heldBy: text('held_by'),
    holdReason: text('hold_reason'),
    catalogDigest: text('catalog_digest').notNull(),
    /** Number of the newest pass: 1 is the first plan, later ones are for rows found by verification. */
    pass: integer('pass').notNull().default(1),
    /** Verification passes and attempts to finish since the start or the last replay. */
    passes: integer('passes').notNull().default(0),
    finishAttempts: integer('finish_attempts').notNull().default(0),
    /** Steps in a row that failed although the database was there. */
    failures: integer('failures').notNull().default(0),
    /** When locations without a protecting foreign key are looked at again. */
    probeAt: at('probe_at'),
    /** When the application is asked (again) to revoke the account's tokens; null: done, or never asked. */
    signOutAt: at('sign_out_at'),
    scrubbedAt: at('scrubbed_at'),
    /** Of test data that was planted: it counts in no number about users. */
    canary: boolean('canary').notNull().default(false),
  },
  (t) => [
    uniqueIndex('erasure_one_live_per_account')
      .on(t.accountKey)
      .where(sql`state IN ('scheduled', 'running', 'awaiting', 'stalled')`),
    index('erasure_account_key').on(t.accountKey),
    index('erasure_account_digest').on(t.accountDigest),
    index('erasure_live_state')
      .on(t.state, t.startsAt)
      .where(sql`state IN ('scheduled', 'running', 'awaiting', 'stalled')`),
    index('erasure_sign_out').on(t.signOutAt).where(sql`sign_out_at IS NOT NULL`),
    // Steps before the start: few among many that wait.
    index('erasure_signing_out').on(t.id).where(sql`state = 'scheduled' AND dispatched_at IS NOT NULL`),
    index('erasure_held').on(t.heldAt).where(sql`held_at IS NOT NULL`),
    // Lists by state, newest first: ids are ordered by time.
    index('erasure_state').on(t.state, t.id),
    index('erasure_probe').on(t.probeAt).where(sql`probe_at IS NOT NULL`),
    index('erasure_unscrubbed')
      .on(sql`coalesce(completed_at, cancelled_at)`)
      .where(sql`scrubbed_at IS NULL AND state IN ('completed', 'cancelled')`),
    index('erasure_digest_kept')
      .on(sql`coalesce(completed_at, cancelled_at)`)
      .where(sql`scrubbed_at IS NOT NULL AND account_digest IS NOT NULL`),
    check('erasure_state', sql`state IN ('scheduled', 'running', 'awaiting', 'stalled', 'completed', 'cancelled')`),
    check('erasure_mode', sql`mode IN ('immediate', 'scheduled')`),
  ],
);

/** One location within one erasure; the account's own row is the last task. */
export const task = lethe.table(
  'task',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    erasureId: uuid('erasure_id')
      .notNull()
      .references(() => erasure.id),
    location: text('location').notNull(),
    kind: text('kind').notNull(),
    action: text('action').notNull(),
    owner: text('owner').notNull(),
    stage: integer('stage').notNull(),
    state: text('state').notNull().default('pending'),
    /** The pass that is planned or being planned. */
    pass: integer('pass').notNull().default(1),
    /** Rows planned over all passes; null until planned. */
    rowsPlanned: bigint('rows_planned', { mode: 'number' }),
    attempts: integer('attempts').notNull().default(0),
    lastError: text('last_error'),
    dueAt: at('due_at').notNull(),
    startedAt: at('started_at'),
    finishedAt: at('finished_at'),
  },
  (t) => [
    uniqueIndex('task_location').on(t.erasureId, t.location),
    check('task_state', sql`state IN ('pending', 'running', 'awaiting', 'done', 'failed', 'retained')`),
    // A kind that this version does not know may be the next one's.
    check('task_kind', sql`kind ~ '^[a-z][a-z0-9-]*$'`),
    check('task_action', sql`action IN ('delete', 'set', 'keep', 'refuse')`),
  ],
);

/**
 * The ledger. `number` counts from 1 within a pass. Rows that were deleted outside a planned range have their own
 * entries. 0 is for those deleted at request or while finishing. The negative id of a parent's chunk is for children
 * that had appeared meanwhile and were deleted with their parents.
 */
export const chunk = lethe.table(
  'chunk',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    taskId: bigint('task_id', { mode: 'number' })
      .notNull()
      .references(() => task.id),
    pass: integer('pass').notNull(),
    number: bigint('number', { mode: 'number' }).notNull(),
    /** Key tuples as text: above `lower` (null: from the start), up to and including `upper`. */
    lower: text('lower').array(),
    upper: text('upper').array(),
    cursor: text('cursor').array(),
    rowsPlanned: bigint('rows_planned', { mode: 'number' }).notNull(),
    rowsDeleted: bigint('rows_deleted', { mode: 'number' }).notNull().default(0),
    /** Times sent out since the last progress. */
    dispatches: integer('dispatches').notNull().default(0),
    finishedAt: at('finished_at'),
  },
  (t) => [
    uniqueIndex('chunk_number').on(t.taskId, t.pass, t.number),
    index('chunk_unfinished').on(t.taskId, t.pass, t.number).where(sql`finished_at IS NULL`),
  ],
);

const bytes = customType<{ data: Buffer; driverData: unknown }>({ dataType: () => 'bytea' });

/**
 * One request to a system outside, for one task. The id is that of its message, the same for all tries. `sealed` holds
 * what must be said and nobody may read: it is destroyed when the call is settled.
 */
export const call = lethe.table(
  'call',
  {
    id: uuid('id').primaryKey(),
    erasureId: uuid('erasure_id')
      .notNull()
      .references(() => erasure.id),
    taskId: bigint('task_id', { mode: 'number' })
      .notNull()
      .references(() => task.id),
    /** Name of the location. */
    partner: text('partner').notNull(),
    pass: integer('pass').notNull(),
    /** `gathered`: not to be asked yet. `open`: to be asked. `accepted`: asked, and an acknowledgement is awaited. */
    state: text('state').notNull(),
    /** What the ledger counts when it is settled. */
    items: bigint('items', { mode: 'number' }).notNull(),
    sealed: bytes('sealed'),
    /** How far a call has come that takes several requests. */
    cursor: text('cursor').array(),
    /** Tries in a row without success. */
    attempts: integer('attempts').notNull().default(0),
    /** When it is asked (again); null: gathered or settled. While a worker asks, the end of its lease. */
    nextAt: at('next_at'),
    leasedUntil: at('leased_until'),
    askedAt: at('asked_at'),
    lastAt: at('last_at'),
    /** The last answer in words. */
    lastWords: text('last_words'),
    settledAt: at('settled_at'),
  },
  (t) => [
    index('call_due').on(t.partner, t.nextAt).where(sql`next_at IS NOT NULL`),
    index('call_leased').on(t.partner).where(sql`leased_until IS NOT NULL`),
    index('call_task').on(t.taskId).where(sql`settled_at IS NULL`),
    index('call_erasure').on(t.erasureId),
    check('call_state', sql`state IN ('gathered', 'open', 'accepted', 'done', 'dropped')`),
  ],
);

/**
 * A system outside as all workers see it. One worker at a time makes its calls (`holder`, until `heldUntil`), so that its rate
 * and concurrency hold for all of them.
 */
export const partner = lethe.table('partner', {
  name: text('name').primaryKey(),
  /** Failures in a row, of whatever calls. */
  failures: integer('failures').notNull().default(0),
  /** Since when the circuit is open; null: closed. */
  openedAt: at('opened_at'),
  /** When one call may try whether it is back. */
  probeAt: at('probe_at'),
  /** It asked for a pause until then. */
  pausedUntil: at('paused_until'),
  holder: text('holder'),
  heldUntil: at('held_until'),
  /** The last failure in words. */
  words: text('words'),
  answeredAt: at('answered_at'),
});

/** A message of another Lethe: whose erasure it asks for here, and where that is acknowledged. */
export const partnerRequest = lethe.table(
  'partner_request',
  {
    /** The id of the message. */
    id: text('id').primaryKey(),
    erasureId: uuid('erasure_id').references(() => erasure.id),
    source: text('source').notNull(),
    ackUrl: text('ack_url'),
    /** The token to acknowledge with; destroyed when that is done. */
    sealed: bytes('sealed'),
    attempts: integer('attempts').notNull().default(0),
    nextAt: at('next_at'),
    receivedAt: at('received_at').notNull().default(sql`now()`),
    acknowledgedAt: at('acknowledged_at'),
    lastWords: text('last_words'),
  },
  (t) => [
    index('partner_request_due').on(t.nextAt).where(sql`next_at IS NOT NULL`),
    index('partner_request_erasure').on(t.erasureId),
  ],
);

/** Answers to `Idempotency-Key`: tokens are left out and derived again when an answer is replayed. */
export const idempotency = lethe.table(
  'idempotency',
  {
    keyHash: text('key_hash').primaryKey(),
    fingerprint: text('fingerprint').notNull(),
    /** Set by the accepting transaction, so that a lost answer never becomes a second erasure. */
    erasureId: uuid('erasure_id').references(() => erasure.id),
    status: integer('status'),
    response: jsonb('response'),
    createdAt: at('created_at').notNull().default(sql`now()`),
    lockedAt: at('locked_at').notNull().default(sql`now()`),
  },
  (t) => [index('idempotency_created').on(t.createdAt)],
);

/** Append-only: ids and counts, never personal data. */
export const event = lethe.table(
  'event',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    erasureId: uuid('erasure_id')
      .notNull()
      .references(() => erasure.id),
    type: text('type').notNull(),
    data: jsonb('data').notNull().default({}),
    at: at('at').notNull().default(sql`now()`),
  },
  (t) => [
    index('event_erasure').on(t.erasureId, t.id),
    // What the dataset holds, in its order.
    index('event_erased').on(t.at, t.id).where(sql`type = 'account.erased'`),
  ],
);

/** One mail of one kind for one erasure. */
export const notification = lethe.table(
  'notification',
  {
    id: uuid('id').primaryKey(),
    erasureId: uuid('erasure_id')
      .notNull()
      .references(() => erasure.id),
    kind: text('kind').notNull(),
    state: text('state').notNull().default('pending'),
    attempt: integer('attempt').notNull().default(0),
    providerId: text('provider_id'),
    /** Error code of the last attempt that did not succeed. */
    outcome: text('outcome'),
    /** Start of the oldest attempt whose outcome is unknown. */
    unknownSince: at('unknown_since'),
    nextAt: at('next_at').notNull(),
    createdAt: at('created_at').notNull().default(sql`now()`),
    finishedAt: at('finished_at'),
  },
  (t) => [
    uniqueIndex('notification_once').on(t.erasureId, t.kind),
    index('notification_open').on(t.nextAt).where(sql`state = 'pending'`),
    check('notification_kind', sql`kind IN ('received', 'completed')`),
    check('notification_state', sql`state IN ('pending', 'sent', 'skipped', 'failed', 'uncertain')`),
  ],
);

/** Catalogs as they were written: an erasure goes on with the one that it was accepted with. */
export const catalog = lethe.table('catalog', {
  digest: text('digest').primaryKey(),
  source: jsonb('source').notNull(),
  firstUsedAt: at('first_used_at').notNull().default(sql`now()`),
});

/** How fast a location is deleted: decayed sums of rows and of the milliseconds that one chunk job spent on them. */
export const throughput = lethe.table('throughput', {
  location: text('location').primaryKey(),
  rows: doublePrecision('rows').notNull(),
  ms: doublePrecision('ms').notNull(),
  measuredAt: at('measured_at').notNull().default(sql`now()`),
});

/** What one process at a time does for all (`holder`, until `heldUntil`), and when it was last done. */
export const duty = lethe.table('duty', {
  name: text('name').primaryKey(),
  holder: text('holder'),
  heldUntil: at('held_until'),
  doneAt: at('done_at'),
});

/**
 * How hard the whole cluster works now, in one row: every slice reads it. Written by the process that
 * holds the duty `pace`; a row that was not sampled for a minute counts for nothing.
 */
export const pace = lethe.table(
  'pace',
  {
    one: boolean('one').primaryKey().default(true),
    pace: text('pace').notNull(),
    /** How far it is slowed down, 0: not at all. */
    step: integer('step').notNull(),
    /** Chunks that run at once in the whole cluster. */
    slots: integer('slots').notNull(),
    /** Why it is slowed; null when it is not. */
    words: text('words'),
    signals: jsonb('signals').notNull(),
    sampledAt: at('sampled_at').notNull().default(sql`now()`),
    changedAt: at('changed_at').notNull().default(sql`now()`),
  },
  () => [
    check('pace_one', sql`one`),
    check('pace_pace', sql`pace IN ('gentle', 'balanced', 'full')`),
    check('pace_step', sql`step >= 0`),
    check('pace_slots', sql`slots >= 1`),
  ],
);

/**
 * How it stands with an owner's tasks, as the process with the duty `owners` saw it last, and what its team was told. A
 * message is owed while there is a `messageId`: it is sent at `nextAt`, each time as it stands in `message`.
 */
export const owner = lethe.table(
  'owner',
  {
    name: text('name').primaryKey(),
    state: text('state').notNull(),
    /** Since when it is well, or is not. */
    since: at('since').notNull(),
    /** Since when nothing is late or fails, while `state` does not say well yet. */
    calmSince: at('calm_since'),
    watchedAt: at('watched_at').notNull(),
    /** What was measured then: `Measured` of erasure/watch. */
    measured: jsonb('measured').notNull(),
    toldState: text('told_state').notNull().default('well'),
    toldAt: at('told_at'),
    /** Of the message that is owed, so that who gets it twice knows. */
    messageId: uuid('message_id'),
    message: jsonb('message'),
    /** The state that a try has told whose outcome is unknown: its team may know of it. */
    triedState: text('tried_state'),
    nextAt: at('next_at'),
    attempts: integer('attempts').notNull().default(0),
    /** The last failure to tell, in words. */
    lastWords: text('last_words'),
  },
  () => [
    check('owner_state', sql`state IN ('well', 'failing', 'late')`),
    check('owner_told_state', sql`told_state IN ('well', 'failing', 'late')`),
  ],
);

/**
 * One account of test data: planted, erased through the API, and looked for. `findings`: what is wrong, a list of
 * `{ location, words }`; null: not looked at yet.
 */
export const canary = lethe.table(
  'canary',
  {
    id: uuid('id').primaryKey(),
    state: text('state').notNull(),
    /** The account's key as the database prints it; null: not planted yet. */
    accountKey: text('account_key'),
    erasureId: uuid('erasure_id').references(() => erasure.id),
    /** Rows and items that were planted, by location. */
    planted: jsonb('planted'),
    findings: jsonb('findings'),
    /** When the next step is due; null: it is over. */
    nextAt: at('next_at'),
    attempts: integer('attempts').notNull().default(0),
    createdAt: at('created_at').notNull().default(sql`now()`),
    plantedAt: at('planted_at'),
    requestedAt: at('requested_at'),
    finishedAt: at('finished_at'),
    /** What kept the last try of a step from its end, in words. */
    lastWords: text('last_words'),
  },
  (t) => [
    uniqueIndex('canary_one_live').on(sql`(true)`).where(sql`finished_at IS NULL`),
    // Whose acceptance is of test data. What was erased everywhere leaves its key to others.
    index('canary_account').on(t.accountKey).where(sql`state <> 'passed'`),
    index('canary_created').on(t.createdAt),
    check('canary_state', sql`state IN ('planting', 'planted', 'requested', 'passed', 'failed')`),
  ],
);

/** A day of the dataset as it was written last. The manifest beside the files decides what is there; this is for people. */
export const datasetPartition = lethe.table('dataset_partition', {
  day: date('day', { mode: 'string' }).primaryKey(),
  revision: integer('revision').notNull(),
  rows: bigint('rows', { mode: 'number' }).notNull(),
  /** The accounts' keys are in it; false: it was rewritten without them. */
  keys: boolean('keys').notNull(),
  /** False: it was found not to be there, or with other rows than the ledger has, and was not built again yet. */
  whole: boolean('whole').notNull().default(true),
  builtAt: at('built_at').notNull(),
});
