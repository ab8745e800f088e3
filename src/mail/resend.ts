import { Resend } from 'resend';
import { MailError, type MailFailure, type MailProvider } from './provider.ts';

/** The SDK has no timeout of its own. */
const TIMEOUT_MS = 10_000;

/** What the API's error names mean for us, where it is not an operator who must act (https://resend.com/docs/api-reference/errors). */
const FAILURES: Record<string, MailFailure> = {
  rate_limit_exceeded: 'retry',
  concurrent_idempotent_requests: 'retry',
  daily_quota_exceeded: 'later',
  // Answers that the server gives after it may have taken the mail.
  application_error: 'unknown',
  internal_server_error: 'unknown',
};

/**
 * One name, `validation_error`, is given for a wrong recipient and for a sender that may not send at all, so its text
 * decides. `invalid_to_address` was the name of testing mode. The first alone is about the recipient.
 */
const CAUSES: [RegExp, string][] = [
  [/^Invalid `to` field\b/, 'invalid_recipient'],
  [/^Invalid `from` field\b/, 'invalid_from_address'],
  [/\bdomain is not verified\b/, 'domain_not_verified'],
  [/^You can only send testing emails\b/, 'testing_only'],
];

/**
 * A refusal of the API's own is final only where it surely is about the recipient. Any other waits for an operator,
 * also one that is not known here. A mail that waits can still be sent; once its address is forgotten, it cannot. The
 * SDK passes on any JSON as an error, also that of a gateway in between, which says nothing about the mail.
 */
function toMailError(error: { name?: unknown; statusCode?: unknown; message?: unknown }): MailError {
  const name = typeof error.name === 'string' && /^\w{1,60}$/.test(error.name) ? error.name : 'unrecognized_answer';
  const status = Number(error.statusCode);
  const refused = status >= 400 && status < 500 && status !== 408;
  const listed = Object.hasOwn(FAILURES, name) ? FAILURES[name] : undefined;
  const known = listed ?? (refused ? undefined : 'unknown');
  if (known) return new MailError(known, name);
  const ambiguous = name === 'validation_error' || name === 'invalid_to_address';
  const cause = ambiguous && CAUSES.find(([text]) => text.test(String(error.message)))?.[1];
  return new MailError(cause === 'invalid_recipient' ? 'rejected' : 'blocked', cause || name);
}

/** Sends through Resend. The SDK returns errors instead of throwing them; here they are thrown. */
export function resendProvider(options: {
  apiKey: string;
  baseUrl: string;
  from: string;
  timeoutMs?: number;
}): MailProvider {
  const client = new Resend(options.apiKey, { baseUrl: options.baseUrl.replace(/\/$/, '') });
  return async (message, idempotencyKey) => {
    const signal = AbortSignal.timeout(options.timeoutMs ?? TIMEOUT_MS);
    const { data, error } = await client.emails
      .send({ from: options.from, ...message }, { idempotencyKey, signal })
      .catch(() => {
        throw new MailError('unknown', 'timeout');
      });
    if (error && signal.aborted) throw new MailError('unknown', 'timeout');
    if (error) throw toMailError(error);
    // An answer of something else: also the SDK's for an error whose body is `null`.
    if (!data?.id) throw new MailError('unknown', 'unrecognized_answer');
    return data.id;
  };
}
