import { Resend } from 'resend';
import { MailError, type MailFailure, type MailProvider } from './provider.ts';

/** The SDK has no timeout of its own. */
const TIMEOUT_MS = 10_000;

/** What the API's error names mean for us (https://resend.com/docs/api-reference/errors). */
const FAILURES: Record<string, MailFailure> = {
  rate_limit_exceeded: 'retry',
  concurrent_idempotent_requests: 'retry',
  daily_quota_exceeded: 'later',
  monthly_quota_exceeded: 'later',
  // Answers that the server gives after it may have taken the mail.
  application_error: 'unknown',
  internal_server_error: 'unknown',
  // The key was used with another body: that mail has been taken, and this one must not go.
  invalid_idempotent_request: 'unknown',
  // A wrong key is mended by the operator; the mail waits for that.
  missing_api_key: 'later',
  invalid_api_key: 'later',
  restricted_api_key: 'later',
};

/**
 * An error that is not listed is a refusal when it is the API's own. The SDK passes on any JSON as an
 * error, also that of a gateway in between, which says nothing about the mail.
 */
function toMailError(error: { name?: unknown; statusCode?: unknown }): MailError {
  const name = typeof error.name === 'string' && /^\w{1,60}$/.test(error.name) ? error.name : 'unrecognized_answer';
  const refused = typeof error.statusCode === 'number' && error.statusCode >= 400 && error.statusCode < 500;
  return new MailError(FAILURES[name] ?? (refused ? 'rejected' : 'unknown'), name);
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
