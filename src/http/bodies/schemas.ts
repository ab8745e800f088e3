import { z } from '@hono/zod-openapi';
import { isReason, REASON_EXPECTED } from '../../erasure/model/hold-reason.ts';
import { STATES } from '../../erasure/model/states.ts';
import { ERRORS, type ErrorCode } from '../../errors.ts';
import { acknowledgementSchema, messageSchema } from '../../partners/message.ts';

// The bodies of the API, in one place. Validators read requests with them and the document describes them. The
// representations and the client take their types from them.

const time = (description: string) =>
  z.iso.datetime().openapi({ description: `${description} ISO 8601, UTC.`, examples: ['2026-11-22T04:00:00.000Z'] });
const rows = (description: string) => z.int().nonnegative().openapi({ description });

export const LOCATION_STATES = ['pending', 'running', 'awaiting', 'done', 'failed', 'retained'] as const;

/** The id of an erasure, with the error for a wrong one. */
export const ErasureId = z.uuid('expected the id of an erasure').openapi({
  description: 'The id of an erasure (uuid v7: ordered by time).',
  examples: ['019a9f3e-5b7c-7d3a-9a55-0d6d3c1f2b10'],
});

export const State = z.enum(STATES).openapi('State', {
  description:
    'Where the erasure is. `completed` and `cancelled` (undone, or closed: see `newerAccountAt`) are final; `stalled` needs an operator or the slow retry; ' +
    '`awaiting`: the database is empty, other systems have not acknowledged yet.',
});
export type State = z.infer<typeof State>;

const Mode = z.enum(['immediate', 'scheduled']).openapi('Mode', {
  description: '`immediate`: erased inside the request. `scheduled`: starts at `startsAt`, can be undone until then.',
});

/** Fields that the answer to a request and the resource share. */
const common = {
  id: ErasureId,
  accountId: z
    .string()
    .nullable()
    .openapi({
      description: 'The account as the database prints its key; null once the evidence was scrubbed.',
      examples: ['4711'],
    }),
  state: State,
  signingOut: z.boolean().openapi({
    description:
      'The account had too many rows `at: request` (sessions) to be deleted by the request itself: the workers are deleting the rest now. It is flagged already.',
  }),
  mode: Mode,
  requestedAt: time('When the erasure was asked for.'),
  startsAt: time('When it starts, or started, at the earliest.'),
  dueAt: time('When it must be complete.'),
  completedAt: time('When it was complete.').nullable(),
};

/** The answer to a request, without its link: what is stored for a repeated `Idempotency-Key`. */
export const AcceptedWithoutLink = z.object(common);
export type AcceptedWithoutLink = z.infer<typeof AcceptedWithoutLink>;

export const AcceptedErasure = z
  .object({
    ...common,
    statusUrl: z.url().openapi({
      description:
        "A page for the user that shows this erasure and still works after sign-out. Its token opens this erasure's API too: treat it as a secret.",
      examples: ['https://lethe.example.net/status/019a9f3e-5b7c-7d3a-9a55-0d6d3c1f2b10?token=v1.4mZ'],
    }),
  })
  .openapi('AcceptedErasure');
export type AcceptedErasure = z.infer<typeof AcceptedErasure>;

export const LocationProgress = z
  .object({
    name: z.string().openapi({
      description:
        'A table, or another place that holds data. A user’s credential is told the kind of data instead where it is in another system, or the catalog has words for it.',
      examples: ['posts'],
    }),
    owner: z.string().openapi({
      description: 'The team that answers for it. Empty where a user’s credential is told a kind of data.',
      examples: ['reader'],
    }),
    state: z.enum(LOCATION_STATES),
    rowsDeleted: rows('Rows really deleted here.'),
    rowsPlanned: rows('Rows to delete here; null until counted.').nullable(),
    lastError: z
      .string()
      .nullable()
      .openapi({ description: 'Code and text of what went wrong last, without values of the data.' }),
    lastAnswer: z.string().nullable().optional().openapi({
      description:
        'What its partner answered last, in words; null: nothing yet. Only for API keys, while the answer is outstanding.',
    }),
    nextTryAt: time(
      'When its partner is asked again; null: it is not known. Only for API keys, while the answer is outstanding.',
    )
      .nullable()
      .optional(),
  })
  .openapi('LocationProgress');
export type LocationProgress = z.infer<typeof LocationProgress>;

export const Progress = z
  .object({
    rowsDeleted: rows('Rows really deleted, in all locations.'),
    rowsPlanned: rows('Rows to delete, in all locations; null until counted.').nullable(),
    percent: z
      .int()
      .min(0)
      .max(100)
      .nullable()
      .openapi({ description: 'Whole; 100 only when completed; null until counted.' }),
    etaSeconds: rows('Seconds left, estimated; null while there is nothing to go by.').nullable(),
    locations: z.array(LocationProgress),
  })
  .openapi('Progress');
export type Progress = z.infer<typeof Progress>;

export const Hold = z
  .object({
    since: time('When it was put on hold.'),
    by: z.string().optional().openapi({ description: 'Who holds it. Only for keys with the scope `admin`.' }),
    reason: z.string().optional().openapi({ description: 'Why. Only for keys with the scope `admin`.' }),
  })
  .openapi('Hold', { description: 'Nothing is deleted while an erasure is on hold.' });
export type Hold = z.infer<typeof Hold>;

const summary = {
  ...common,
  newerAccountAt: time(
    'When it was found that another account has this key now. This erasure is not about that one, and does not touch it.',
  ).nullable(),
  startedAt: time('When it really started.').nullable(),
  retryAt: time('When a stalled erasure is tried again by itself.').nullable(),
  held: Hold.nullable(),
  canary: z.boolean().optional().openapi({
    description: 'True for test data that Lethe has planted. Only for keys with the scope `admin`; else absent.',
  }),
};

export const ErasureSummary = z
  .object(summary)
  .openapi('ErasureSummary', { description: 'An erasure in a list: without its progress.' });
export type ErasureSummary = z.infer<typeof ErasureSummary>;

export const Erasure = z.object({ ...summary, progress: Progress }).openapi('Erasure');
export type Erasure = z.infer<typeof Erasure>;

export const ErasureList = z
  .object({
    erasures: z.array(ErasureSummary).openapi({ description: 'Newest first.' }),
    nextCursor: z
      .string()
      .nullable()
      .openapi({ description: 'Give it as `cursor` for the next page; null on the last one.' }),
  })
  .openapi('ErasureList');
export type ErasureList = z.infer<typeof ErasureList>;

/** One event of the stream, as `event:` and `data:` lines carry it. */
export const ErasureEvent = z
  .discriminatedUnion('event', [
    z.object({
      event: z.enum(['snapshot', 'progress', 'state']).openapi({
        description:
          '`snapshot`: first after connecting. `progress`: it went on. `state`: the state or a hold changed.',
      }),
      data: Erasure,
    }),
    z.object({
      event: z.literal('end').openapi({ description: 'The state is final: nothing follows.' }),
      data: z.object({ state: State }),
    }),
  ])
  .openapi('ErasureEvent', { description: 'One server-sent event; `data` is its JSON text.' });
export type ErasureEvent = z.infer<typeof ErasureEvent>;

export const EraseRequest = z
  .strictObject({
    startNow: z
      .boolean('expected true or false')
      .optional()
      .openapi({ description: 'Do not wait for `startsAt`. It cannot be undone then.' }),
  })
  .openapi('EraseRequest');
export type EraseRequest = z.infer<typeof EraseRequest>;

export const HoldRequest = z
  .strictObject({
    reason: z
      .string(REASON_EXPECTED)
      .trim()
      .min(1, REASON_EXPECTED)
      .max(500, REASON_EXPECTED)
      .refine(isReason, REASON_EXPECTED)
      .openapi({
        description: 'Why nothing may be deleted, without control characters. Shown to operators only.',
        examples: ['Legal case 7'],
      }),
  })
  .openapi('HoldRequest');

/** The id of a task as a partner knows it: that of its message. */
export const TaskId = z.uuid('expected the id of a task').openapi({
  description: 'The id of the message: `id`, `webhook-id`, and `data.task`.',
  examples: ['019a9f3e-7c11-7b52-8d03-4f9f0f3a6f21'],
});

export const Acknowledgement = acknowledgementSchema
  .extend({ task: z.string().max(200).optional().openapi({ description: 'The id of the message, as in the path.' }) })
  .openapi('Acknowledgement');
export type Acknowledgement = z.infer<typeof Acknowledgement>;

export const Acknowledged = z
  .object({
    task: TaskId,
    settled: z.boolean().openapi({
      description: 'Nothing more is asked under this id. False: it failed, and is asked again later.',
    }),
  })
  .openapi('Acknowledged');
export type Acknowledged = z.infer<typeof Acknowledged>;

/** A message of another Lethe. Members that this version does not know are left out. */
export const PartnerMessage = messageSchema
  .extend({ id: z.uuid('expected a uuid').openapi({ description: 'The same for all tries.' }) })
  .openapi('PartnerMessage');

export const PartnerAnswer = z
  .object({
    task: TaskId,
    status: z.enum(['erased', 'not_found', 'accepted']).openapi({
      description: '`accepted`: it is acknowledged later. `not_found`: there is no such account, or a younger one.',
    }),
  })
  .openapi('PartnerAnswer');

export const ERROR_CODES = Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]];

export const Problem = z
  .object({
    type: z.literal('about:blank'),
    title: z.string().openapi({ description: 'The same for every problem with this code.' }),
    status: z.int().openapi({ description: 'The HTTP status.' }),
    detail: z.string().openapi({ description: 'What went wrong this time.' }),
    code: z.enum(ERROR_CODES).openapi({ description: 'Stable: decide by it, and by nothing else.' }),
    requestId: z.string().openapi({ description: 'Name it when you ask for help; also in `X-Request-Id`.' }),
    field: z.string().optional().openapi({ description: 'What was wrong in the request (`invalid_request`).' }),
    retryAfter: z.int().optional().openapi({ description: 'Seconds to wait (`rate_limited`), as `Retry-After` says.' }),
    maxAge: z.number().optional().openapi({
      description: 'Seconds that the sign-in may be old (`reauthentication_required`).',
    }),
  })
  .openapi('Problem', { description: 'RFC 9457.' });
export type Problem = z.infer<typeof Problem>;

export const Health = z.object({ status: z.literal('ok') }).openapi('Health');

export const Readiness = z
  .object({
    status: z.enum(['ok', 'degraded', 'unavailable']).openapi({
      description:
        '`degraded`: requests are accepted. Without Redis they are erased a little later; where the catalog has drifted, ' +
        'the erasures that this affects wait for an operator.',
    }),
    postgres: z
      .enum(['ok', 'away', 'read-only'])
      .openapi({ description: '`read-only`: a standby, or a database that takes no writes by default.' }),
    migrations: z
      .enum(['ok', 'pending', 'unknown'])
      .openapi({ description: '`unknown`: Postgres did not say in time.' }),
    redis: z.enum(['ok', 'away', 'refused']).openapi({
      description: '`refused`: it answers, and the user that Lethe signs in as may not do what is needed.',
    }),
    catalog: z
      .enum(['ok', 'drifted'])
      .openapi({ description: '`drifted`: the database has changed, and the catalog does not fit it any more.' }),
  })
  .openapi('Readiness');
