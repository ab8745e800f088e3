import { ERRORS, type ErrorCode } from '../../../errors.ts';

/** An error for people: what it means, and what to do about it. `detail` is text of the error's own. */
export type ErrorWords = { words: string; help: string; detail: string };

const WAIT = 'Nothing: it is tried again by itself.';
const REPORT = 'Tell the developers, with the text below and the erasure’s id; then replay.';
const NOT_HERE = 'Nothing: this is the answer to a request, not the state of an erasure.';

/** Words for every code of the closed list. A new code does not compile until it has words here. */
const WORDS: Record<ErrorCode, readonly [words: string, help: string]> = {
  invalid_request: ['The request was not valid.', NOT_HERE],
  payload_too_large: ['The request was too large.', NOT_HERE],
  unauthenticated: ['Nobody was signed in.', NOT_HERE],
  reauthentication_required: ['The sign-in was too old for this.', NOT_HERE],
  forbidden: ['The caller may not do this.', NOT_HERE],
  not_found: ['There was no such account or erasure.', NOT_HERE],
  link_ended: ['The link was used after its time.', NOT_HERE],
  already_started: ['It had started already and could not be undone.', NOT_HERE],
  not_live: ['It was final already.', NOT_HERE],
  on_hold: ['It is on hold.', 'Lift the hold where it was set: here, or in the application’s own column.'],
  not_replayable: [
    'There was nothing to replay: only a stalled erasure is replayed, or one whose account is gone.',
    NOT_HERE,
  ],
  newer_account: ['Somebody new has the account’s key: what partners have of it may be theirs.', NOT_HERE],
  idempotency_key_in_flight: ['The same request was being answered already.', NOT_HERE],
  idempotency_key_reused: ['An Idempotency-Key was used for two different requests.', NOT_HERE],
  too_many_attempts: ['There were too many sign-ins at once.', NOT_HERE],
  rate_limited: ['There were too many requests.', NOT_HERE],
  internal_error: ['Something went wrong that Lethe does not know.', REPORT],
  database_unavailable: [
    'The database could not be reached.',
    'See whether the database is up. It goes on by itself when it is back.',
  ],
  too_slow: ['The database did not answer in time.', WAIT],
  redis_unavailable: ['Redis could not be reached.', 'See whether Redis is up. It goes on by itself when it is back.'],
  keys_unavailable: [
    'The keys that sign the users’ tokens could not be read.',
    'See whether the identity provider is up.',
  ],
  account_busy: ['The application had the account locked.', WAIT],
  contended: ['The application had the rows locked.', WAIT],
  foreign_reference: [
    'Rows of another account point at rows of this one. They are never deleted.',
    'Ask the owner of the table that is named below to move or delete those rows; then replay.',
  ],
  still_referenced: [
    'A table that the catalog does not list still points at the account.',
    'Add that table to the catalog, or ask its owner to delete the rows; then replay.',
  ],
  still_written: [
    'The application went on writing rows for this account.',
    'Ask its owner what still writes (an import, a job, a session that was not ended); stop that, then replay.',
  ],
  account_locked: [
    'The application kept the account or its rows locked.',
    'Ask its owner for a transaction or session that stays open; end that, then replay.',
  ],
  chunk_exhausted: [
    'A part of the rows was sent out again and again without any progress.',
    'See in the workers’ logs why (they name the chunk); then replay.',
  ],
  location_missing: [
    'A location of this erasure is not in the catalog any more.',
    'Put it back into the catalog, and replay.',
  ],
  catalog_invalid: [
    'The catalog and the database do not fit together any more.',
    'See below what changed, and mend that or the catalog. A replay takes the catalog of now: make sure first that it lists everything.',
  ],
  change_ignored: [
    'The database turned a deletion, or the mark of a request, into nothing.',
    'Ask the owner of the trigger or rule that is named below to let Lethe’s role pass; then replay.',
  ],
  unexpected_changes: [
    'Deleting rows changed other rows, which the catalog does not account for.',
    'Add the table that is named below to the catalog (or to ignore, with a reason), restart, and replay.',
  ],
  database_error: [
    'The database refused a statement.',
    'Show the code below to whoever runs the database (42501: a missing grant, 42P01 or 42703: a changed table); then replay.',
  ],
  sign_out_deferred: [
    'The application did not take the call that revokes the account’s tokens.',
    'Nothing: it is tried again for a day. See whether the application is up.',
  ],
  dataset_unavailable: [
    'The folder or bucket of the dataset could not be used.',
    'Mend what it says, then: lethe dataset status. The days that are missing are written by the next run.',
  ],
  mail_deferred: ['The mail provider asked to wait.', WAIT],
};

/** Words for a code. */
export const wordsOf = (code: ErrorCode): { words: string; help: string } => {
  const [words, help] = WORDS[code];
  return { words, help };
};

/**
 * Words for an error as a task keeps it (`code: detail`). Text that begins with no code of the list is an error that
 * Lethe does not know. The detail is hostile: escape it.
 */
export function errorWords(message: string): ErrorWords {
  const code = message.slice(0, Math.max(0, message.indexOf(': ')));
  // Not `in`: `constructor` is in every object.
  return Object.hasOwn(ERRORS, code)
    ? { ...wordsOf(code as ErrorCode), detail: message.slice(code.length + 2) }
    : { ...wordsOf('internal_error'), detail: message };
}

const MAIL_OUTCOMES: Record<string, string> = {
  unknown_too_long: 'it is unknown whether the provider took it, for longer than it could be asked again',
  invalid_idempotent_request: 'the provider had taken another version of it',
  rate_limit_exceeded: 'the provider asked to slow down',
  concurrent_idempotent_requests: 'another attempt was under way',
  daily_quota_exceeded: 'the daily quota of the provider is used up',
  monthly_quota_exceeded: 'the monthly quota of the provider is used up',
  missing_api_key: 'the provider was given no key: RESEND_API_KEY',
  invalid_api_key: 'the provider does not know the key: RESEND_API_KEY',
  restricted_api_key: 'the key may not send: RESEND_API_KEY',
  domain_not_verified: 'the sender’s domain is not verified at the provider: LETHE_MAIL_FROM',
  invalid_from_address: 'the provider does not take the sender: LETHE_MAIL_FROM',
  testing_only: 'the provider is in testing mode: verify a domain and set LETHE_MAIL_FROM',
  invalid_recipient: 'the provider does not take the recipient’s address',
  validation_error: 'the provider refused a field that is not the recipient’s address',
  not_an_address: 'the application’s column does not hold one address',
  never_tried: 'no worker tried it as long as the address was kept',
  timeout: 'the provider did not answer in time',
  unrecognized_answer: 'something answered that was not the provider',
  application_error: 'the provider had an error of its own',
  internal_server_error: 'the provider had an error of its own',
};

/** How the last attempt at a mail ended, in words. A name that the provider made up stays as it is. */
export const outcomeWords = (outcome: string): string =>
  Object.hasOwn(MAIL_OUTCOMES, outcome) ? (MAIL_OUTCOMES[outcome] as string) : outcome;
