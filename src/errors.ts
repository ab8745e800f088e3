/**
 * The closed list of what can go wrong. `retry` tells a job what to do: `now` with backoff, `never`
 * (the task fails and an operator is alerted). `status` is the HTTP answer where one is given.
 */
export const ERRORS = {
  invalid_request: { status: 422, retry: 'never', title: 'The request is not valid' },
  payload_too_large: { status: 413, retry: 'never', title: 'The request body is too large' },
  unauthenticated: { status: 401, retry: 'never', title: 'Authentication is required' },
  reauthentication_required: { status: 401, retry: 'never', title: 'A recent sign-in is required' },
  forbidden: { status: 403, retry: 'never', title: 'The credential does not allow this' },
  not_found: { status: 404, retry: 'never', title: 'Not found' },
  link_ended: { status: 410, retry: 'never', title: 'The link has ended' },
  already_started: { status: 409, retry: 'never', title: 'The erasure has started and cannot be undone' },
  not_live: { status: 409, retry: 'never', title: 'The erasure is final' },
  on_hold: { status: 409, retry: 'never', title: 'The erasure is on hold' },
  not_replayable: { status: 409, retry: 'never', title: 'The erasure has nothing to replay' },
  newer_account: { status: 409, retry: 'never', title: "Somebody new has the account's key" },
  idempotency_key_in_flight: { status: 409, retry: 'now', title: 'A request with this Idempotency-Key is in flight' },
  idempotency_key_reused: { status: 422, retry: 'never', title: 'The Idempotency-Key was used for another request' },
  too_many_attempts: { status: 429, retry: 'now', title: 'Too many attempts at once' },
  rate_limited: { status: 429, retry: 'now', title: 'Too many requests' },
  internal_error: { status: 500, retry: 'now', title: 'Something went wrong on our side' },
  database_unavailable: { status: 503, retry: 'now', title: 'The database is not available' },
  too_slow: { status: 503, retry: 'now', title: 'The database did not answer in time' },
  redis_unavailable: { status: 503, retry: 'now', title: 'Redis cannot be reached' },
  keys_unavailable: { status: 503, retry: 'now', title: 'The keys that sign JWTs cannot be read' },
  account_busy: { status: 503, retry: 'now', title: 'The account is locked by the application' },
  contended: { status: 503, retry: 'now', title: 'Rows are locked by the application' },
  foreign_reference: { status: 500, retry: 'never', title: 'Rows of another account reference rows of this one' },
  still_referenced: { status: 500, retry: 'never', title: 'A foreign key still points at the account' },
  still_written: { status: 500, retry: 'never', title: 'The account is still being written' },
  account_locked: { status: 500, retry: 'never', title: 'The account row stays locked' },
  chunk_exhausted: { status: 500, retry: 'never', title: 'A chunk was dispatched too often without progress' },
  location_missing: { status: 500, retry: 'never', title: 'A location of the erasure is not in the catalog' },
  catalog_invalid: { status: 500, retry: 'never', title: 'The catalog does not fit the database' },
  change_ignored: { status: 500, retry: 'never', title: 'The database turned a change into nothing' },
  unexpected_changes: { status: 500, retry: 'never', title: 'Deleting rows changed others that nothing accounts for' },
  database_error: { status: 500, retry: 'now', title: 'The database refused a statement' },
  sign_out_deferred: { status: 500, retry: 'now', title: 'The application did not take the sign-out' },
  dataset_unavailable: { status: 500, retry: 'now', title: 'The dataset cannot be written' },
  mail_deferred: { status: 500, retry: 'now', title: 'The mail provider asked to wait' },
} as const satisfies Record<string, { status: number; retry: 'now' | 'never'; title: string }>;

export type ErrorCode = keyof typeof ERRORS;

/** Every error that leaves a verb. Its message never holds a value from the application's data. */
export class LetheError extends Error {
  readonly code: ErrorCode;
  readonly retry: 'now' | 'never';
  /** Extra members of the problem document, for example the name of the invalid field. */
  readonly extra: Record<string, unknown>;

  constructor(
    code: ErrorCode,
    detail: string,
    extra: Record<string, unknown> = {},
    retry: 'now' | 'never' = ERRORS[code].retry,
  ) {
    super(`${code}: ${detail}`);
    this.name = 'LetheError';
    this.code = code;
    this.retry = retry;
    this.extra = extra;
  }

  /** The error whose message was stored with a task. */
  static parse(message: string): LetheError {
    const code = message.slice(0, Math.max(0, message.indexOf(': ')));
    return Object.hasOwn(ERRORS, code)
      ? new LetheError(code as ErrorCode, message.slice(code.length + 2))
      : new LetheError('internal_error', message);
  }

  /** The message without its code. */
  get detail(): string {
    return this.message.slice(this.code.length + 2);
  }
}

/** A mistake in the configuration or on the command line: one line each, exit code 2. */
export class UsageError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'UsageError';
    this.problems = problems;
  }
}

/**
 * Where an error came from, without its message: a driver's message quotes parameters. It is cut off as a whole,
 * because a line of it may look like a place; where it cannot be found nothing is said.
 */
export const stackOf = (error: unknown): string[] => {
  const { stack = '', message = '' } = (error ?? {}) as Partial<Error>;
  const begin = stack.indexOf(message);
  if (begin < 0) return [];
  return stack
    .slice(begin + message.length)
    .split('\n')
    .filter((line) => line.trimStart().startsWith('at '))
    .slice(0, 8);
};
